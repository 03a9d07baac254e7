-- Personal data and access tokens: what no rebuild brings back. Erased on request, never copied anywhere.

CREATE TABLE people (
    patient     UUID PRIMARY KEY,
    command     BIGINT NOT NULL,
    name        TEXT,
    phone       TEXT,
    email       TEXT,
    address     TEXT,
    birth_date  TEXT,
    search      TEXT NOT NULL,
    erased      BOOLEAN NOT NULL
);

CREATE TABLE notes (
    id       UUID PRIMARY KEY,
    patient  UUID NOT NULL,
    words    TEXT NOT NULL
);
CREATE INDEX notes_by_patient ON notes (patient);

CREATE TABLE external_ids (
    system   TEXT COLLATE "C" NOT NULL,
    value    TEXT COLLATE "C" NOT NULL,
    patient  UUID NOT NULL,
    PRIMARY KEY (system, value)
);
CREATE INDEX external_ids_by_patient ON external_ids (patient);

CREATE TABLE tokens (
    id          UUID PRIMARY KEY,
    hash        BYTEA NOT NULL UNIQUE,
    actor       UUID NOT NULL,
    label       TEXT NOT NULL,
    roles       TEXT NOT NULL,
    branches    TEXT,
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ,
    revoked_at  TIMESTAMPTZ
);
