-- What is known of an erasure beside the log: why it was asked for, and how much of which kind was there. Nothing of what it was.

CREATE TABLE erasures (
    event        BLOB PRIMARY KEY,
    patient      BLOB NOT NULL,
    reason       TEXT,
    found        TEXT,
    erased_at    TEXT,
    cleaned      INTEGER NOT NULL,
    repeated_at  TEXT
) STRICT;

-- Up to where in the log this store holds nothing of those who were erased.
CREATE TABLE erased_upto (
    name      TEXT PRIMARY KEY,
    position  INTEGER NOT NULL
) STRICT;
