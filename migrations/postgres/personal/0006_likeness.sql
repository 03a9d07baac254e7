-- Under which keys people are looked up who may be one, and which of them a person has said are two. Hashes and ids; erased with the person.

CREATE TABLE likeness_keys (
    key      BIGINT NOT NULL,
    patient  UUID NOT NULL,
    kind     TEXT NOT NULL,
    PRIMARY KEY (key, patient)
);
CREATE INDEX likeness_keys_by_patient ON likeness_keys (patient);

-- For whom the keys are made, and by which version of the rules.
CREATE TABLE likeness_made (
    patient  UUID PRIMARY KEY,
    version  BIGINT NOT NULL
);

CREATE TABLE not_duplicates (
    one           UUID NOT NULL,
    other         UUID NOT NULL,
    actor         UUID NOT NULL,
    dismissed_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (one, other)
);
CREATE INDEX not_duplicates_by_other ON not_duplicates (other);
