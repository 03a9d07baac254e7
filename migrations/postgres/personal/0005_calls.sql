-- Calls that a telephone exchange has recorded. A number is kept only until it is known whose call it was, or that it was nobody's.

CREATE TABLE calls (
    id           UUID PRIMARY KEY,
    command      BIGINT NOT NULL,
    record       TEXT NOT NULL,
    branch       TEXT COLLATE "C" NOT NULL,
    direction    TEXT NOT NULL,
    begun_at      TIMESTAMPTZ NOT NULL,
    seconds      BIGINT NOT NULL,
    disposition  TEXT NOT NULL,
    number       TEXT,
    -- matched, review, closed.
    state        TEXT COLLATE "C" NOT NULL,
    -- Why it is looked at: nobody, several.
    reason       TEXT,
    patient      UUID,
    contact      UUID
);
CREATE INDEX calls_by_branch ON calls (branch, state, id);
CREATE INDEX calls_by_contact ON calls (contact);
CREATE INDEX calls_by_number ON calls (number);
