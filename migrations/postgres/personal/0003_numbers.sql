-- The fingerprint of a telephone number, by which those who share it are found. Filled at the start for whoever was there before.
ALTER TABLE people ADD COLUMN number UUID;
CREATE INDEX people_by_number ON people (number);
CREATE INDEX people_without_number ON people (patient) WHERE number IS NULL AND phone IS NOT NULL;

-- By the ways of which country numbers without a country's code were read.
CREATE TABLE number_region (
    name    TEXT PRIMARY KEY,
    region  TEXT NOT NULL
);

-- Stops from numbers that several people have, of which nobody has said yet for whom they were meant. The truth about them is in the log.
CREATE TABLE number_stops (
    stop      UUID PRIMARY KEY,
    number    UUID NOT NULL,
    asked_at  TIMESTAMPTZ NOT NULL
);
CREATE INDEX number_stops_by_number ON number_stops (number);
