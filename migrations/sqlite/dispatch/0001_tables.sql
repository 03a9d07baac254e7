-- What the dispatcher has taken from the log, and what became of it. No number, no name, no text: those are looked up when they are needed.

-- Up to where it has read.
CREATE TABLE reading (
    name      TEXT PRIMARY KEY,
    position  INTEGER NOT NULL
) STRICT;

-- One row for each permit on a channel that a gateway serves.
CREATE TABLE dispatches (
    permit         BLOB PRIMARY KEY,
    contact        BLOB NOT NULL UNIQUE,
    patient        BLOB NOT NULL,
    purpose        TEXT NOT NULL,
    channel        TEXT NOT NULL,
    branch         TEXT NOT NULL,
    expires_at     TEXT NOT NULL,
    -- waiting, open (begun, its outcome not known), review, done, dropped (never begun).
    state          TEXT NOT NULL,
    -- Why it was dropped, or waits for a person.
    reason         TEXT,
    started_at     TEXT,
    -- The word that counts, when it is from, and whether it is the gateway's own.
    status         TEXT,
    status_at      TEXT,
    gateway_said   INTEGER NOT NULL,
    outcome        TEXT,
    asked          INTEGER NOT NULL,
    look_at        TEXT NOT NULL,
    claimed_by     BLOB,
    claimed_until  TEXT
) STRICT;
CREATE INDEX dispatches_to_do ON dispatches (look_at) WHERE state IN ('waiting', 'open');
CREATE INDEX dispatches_by_branch ON dispatches (branch, state, permit);
