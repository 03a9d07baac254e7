-- Whose number a call under review came from is compared by its fingerprint, as everywhere.

ALTER TABLE calls ADD COLUMN fingerprint uuid;
DROP INDEX calls_by_number;
CREATE INDEX calls_by_fingerprint ON calls (fingerprint);
