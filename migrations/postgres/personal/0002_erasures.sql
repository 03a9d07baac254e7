-- What is known of an erasure beside the log: why it was asked for, and how much of which kind was there. Nothing of what it was.

CREATE TABLE erasures (
    event        UUID PRIMARY KEY,
    patient      UUID NOT NULL,
    reason       TEXT,
    found        TEXT,
    erased_at    TIMESTAMPTZ,
    cleaned      BOOLEAN NOT NULL,
    repeated_at  TIMESTAMPTZ
);

-- Up to where in the log this store holds nothing of those who were erased.
CREATE TABLE erased_upto (
    name      TEXT PRIMARY KEY,
    position  BIGINT NOT NULL
);
