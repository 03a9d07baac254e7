-- Which version of another system's resource was taken in last: so that the same adds nothing, and an older one changes nothing.

CREATE TABLE sources (
    resource    BLOB PRIMARY KEY,
    patient     BLOB NOT NULL,
    version     TEXT,
    updated_at  TEXT,
    digest      INTEGER NOT NULL
) STRICT;
CREATE INDEX sources_by_patient ON sources (patient);
