-- How people sign in, and who looked at whose page. Secrets are kept as their SHA-256, or not at all.

-- A token that is a session: its last moment, whatever it is used for, and how long it may go unused. While it is used, the token's own end moves on.
CREATE TABLE sessions (
    token         UUID PRIMARY KEY,
    ends_at       TIMESTAMPTZ NOT NULL,
    idle_minutes  BIGINT NOT NULL,
    language      TEXT
);
CREATE INDEX tokens_by_actor ON tokens (actor, created_at);

CREATE TABLE sign_in_links (
    hash        BYTEA PRIMARY KEY,
    command     BIGINT NOT NULL,
    actor       UUID NOT NULL,
    label       TEXT NOT NULL,
    roles       TEXT NOT NULL,
    branches    TEXT,
    ends_at     TIMESTAMPTZ NOT NULL,
    used_at     TIMESTAMPTZ
);

-- Whom an identity provider is asked about at this moment. What the provider is told follows from the secret, which is not here.
CREATE TABLE sign_ins (
    hash     BYTEA PRIMARY KEY,
    ends_at  TIMESTAMPTZ NOT NULL
);

-- Who looked at whose page, to the minute. Ids and words of ours; kept when the patient is erased, since it says nothing about them.
CREATE TABLE looks (
    patient  UUID NOT NULL,
    at       TIMESTAMPTZ NOT NULL,
    actor    UUID NOT NULL,
    what     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (patient, at, actor, what)
);
CREATE INDEX looks_by_time ON looks (at);
