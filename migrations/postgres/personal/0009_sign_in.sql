-- How people sign in, and who looked at whose page. Secrets are kept as their SHA-256, or not at all.

-- A token that is a session: its last moment, whatever it is used for, and how long it may go unused. While it is used, the token's own end moves on.
CREATE TABLE sessions (
    token         UUID PRIMARY KEY,
    ends_at       TIMESTAMPTZ NOT NULL,
    idle_minutes  BIGINT NOT NULL,
    language      TEXT
);

-- What people call those who do something: histories name them long after their last session.
CREATE TABLE staff (
    actor  UUID PRIMARY KEY,
    label  TEXT NOT NULL
);
INSERT INTO staff (actor, label)
    SELECT actor, label FROM tokens AS named WHERE id = (SELECT id FROM tokens WHERE actor = named.actor ORDER BY created_at DESC, id DESC LIMIT 1);

-- Rows outlive the links: while one is here, the command that made it makes no other.
CREATE TABLE sign_in_links (
    id          UUID PRIMARY KEY,
    hash        BYTEA NOT NULL UNIQUE,
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
