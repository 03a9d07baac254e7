-- Which version of another system's resource was taken in last: so that the same adds nothing, and an older one changes nothing.

CREATE TABLE sources (
    resource    UUID PRIMARY KEY,
    patient     UUID NOT NULL,
    version     TEXT,
    updated_at  TIMESTAMPTZ,
    digest      BIGINT NOT NULL
);
CREATE INDEX sources_by_patient ON sources (patient);
