-- How people sign in, and who looked at whose page. Secrets are kept as their SHA-256, or not at all.

-- A token that is a session: its last moment, whatever it is used for, and how long it may go unused. While it is used, the token's own end moves on.
CREATE TABLE sessions (
    token         BLOB PRIMARY KEY,
    ends_at       TEXT NOT NULL,
    idle_minutes  INTEGER NOT NULL,
    language      TEXT
) STRICT;

-- What people call those who do something: histories name them long after their last session.
CREATE TABLE staff (
    actor  BLOB PRIMARY KEY,
    label  TEXT NOT NULL
) STRICT;
INSERT INTO staff (actor, label)
    SELECT actor, label FROM tokens AS named WHERE id = (SELECT id FROM tokens WHERE actor = named.actor ORDER BY created_at DESC, id DESC LIMIT 1);

-- Rows outlive the links: while one is here, the command that made it makes no other.
CREATE TABLE sign_in_links (
    id          BLOB PRIMARY KEY,
    hash        BLOB NOT NULL UNIQUE,
    command     INTEGER NOT NULL,
    actor       BLOB NOT NULL,
    label       TEXT NOT NULL,
    roles       TEXT NOT NULL,
    branches    TEXT,
    ends_at     TEXT NOT NULL,
    used_at     TEXT
) STRICT;

-- Whom an identity provider is asked about at this moment. What the provider is told follows from the secret, which is not here.
CREATE TABLE sign_ins (
    hash     BLOB PRIMARY KEY,
    ends_at  TEXT NOT NULL
) STRICT;

-- Who looked at whose page, to the minute. Ids and words of ours; kept when the patient is erased, since it says nothing about them.
CREATE TABLE looks (
    patient  BLOB NOT NULL,
    at       TEXT NOT NULL,
    actor    BLOB NOT NULL,
    what     TEXT NOT NULL,
    PRIMARY KEY (patient, at, actor, what)
) STRICT;
CREATE INDEX looks_by_time ON looks (at);
