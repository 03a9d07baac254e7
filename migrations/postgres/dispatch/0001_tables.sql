-- What the dispatcher has taken from the log, and what became of it. No number, no name, no text: those are looked up when they are needed.

-- Up to where it has read.
CREATE TABLE reading (
    name      text PRIMARY KEY,
    position  bigint NOT NULL
);

-- One row for each permit on a channel that a gateway serves.
CREATE TABLE dispatches (
    permit         uuid PRIMARY KEY,
    contact        uuid NOT NULL UNIQUE,
    patient        uuid NOT NULL,
    purpose        text COLLATE "C" NOT NULL,
    channel        text COLLATE "C" NOT NULL,
    branch         text COLLATE "C" NOT NULL,
    expires_at     timestamptz NOT NULL,
    -- waiting, open (begun, its outcome not known), review, done, dropped (never begun).
    state          text COLLATE "C" NOT NULL,
    -- Why it was dropped, or waits for a person.
    reason         text COLLATE "C",
    started_at     timestamptz,
    -- The word that counts, when it is from, and whether it is the gateway's own.
    status         text COLLATE "C",
    status_at      timestamptz,
    gateway_said   boolean NOT NULL,
    outcome        text COLLATE "C",
    asked          bigint NOT NULL,
    look_at        timestamptz NOT NULL,
    claimed_by     uuid,
    claimed_until  timestamptz
);
CREATE INDEX dispatches_to_do ON dispatches (look_at) WHERE state IN ('waiting', 'open');
CREATE INDEX dispatches_by_branch ON dispatches (branch, state, permit);
