-- Calls that a telephone exchange has recorded. A number is kept only until it is known whose call it was, or that it was nobody's.

CREATE TABLE calls (
    id           BLOB PRIMARY KEY,
    command      INTEGER NOT NULL,
    record       TEXT NOT NULL,
    branch       TEXT NOT NULL,
    direction    TEXT NOT NULL,
    begun_at      TEXT NOT NULL,
    seconds      INTEGER NOT NULL,
    disposition  TEXT NOT NULL,
    number       TEXT,
    -- matched, review, closed.
    state        TEXT NOT NULL,
    -- Why it is looked at: nobody, several.
    reason       TEXT,
    patient      BLOB,
    contact      BLOB
) STRICT;
CREATE INDEX calls_by_branch ON calls (branch, state, id);
CREATE INDEX calls_by_contact ON calls (contact);
CREATE INDEX calls_by_number ON calls (number);
