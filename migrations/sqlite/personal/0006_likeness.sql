-- Under which keys people are looked up who may be one, and which of them a person has said are two. Hashes and ids; erased with the person.

CREATE TABLE likeness_keys (
    key      INTEGER NOT NULL,
    patient  BLOB NOT NULL,
    kind     TEXT NOT NULL,
    PRIMARY KEY (key, patient)
) STRICT;
CREATE INDEX likeness_keys_by_patient ON likeness_keys (patient);

-- For whom the keys are made, and by which version of the rules.
CREATE TABLE likeness_made (
    patient  BLOB PRIMARY KEY,
    version  INTEGER NOT NULL
) STRICT;

CREATE TABLE not_duplicates (
    one           BLOB NOT NULL,
    other         BLOB NOT NULL,
    actor         BLOB NOT NULL,
    dismissed_at  TEXT NOT NULL,
    PRIMARY KEY (one, other)
) STRICT;
CREATE INDEX not_duplicates_by_other ON not_duplicates (other);
