-- One message for several people who share a number: each of them has a row of their own, and this says whose contact covers it.
-- Its state is `covered` then.
ALTER TABLE dispatches ADD COLUMN covered_by uuid;
CREATE INDEX dispatches_covered ON dispatches (covered_by) WHERE covered_by IS NOT NULL;
