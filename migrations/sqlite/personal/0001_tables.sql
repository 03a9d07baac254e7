-- Personal data and access tokens: what no rebuild brings back. Erased on request, never copied anywhere.

CREATE TABLE people (
    patient     BLOB PRIMARY KEY,
    command     INTEGER NOT NULL,
    name        TEXT,
    phone       TEXT,
    email       TEXT,
    address     TEXT,
    birth_date  TEXT,
    search      TEXT NOT NULL,
    erased      INTEGER NOT NULL
) STRICT;

CREATE TABLE notes (
    id       BLOB PRIMARY KEY,
    patient  BLOB NOT NULL,
    words    TEXT NOT NULL
) STRICT;
CREATE INDEX notes_by_patient ON notes (patient);

CREATE TABLE external_ids (
    system   TEXT NOT NULL,
    value    TEXT NOT NULL,
    patient  BLOB NOT NULL,
    PRIMARY KEY (system, value)
) STRICT;
CREATE INDEX external_ids_by_patient ON external_ids (patient);

CREATE TABLE tokens (
    id          BLOB PRIMARY KEY,
    hash        BLOB NOT NULL UNIQUE,
    actor       BLOB NOT NULL,
    label       TEXT NOT NULL,
    roles       TEXT NOT NULL,
    branches    TEXT,
    created_at  TEXT NOT NULL,
    expires_at  TEXT,
    revoked_at  TEXT
) STRICT;
