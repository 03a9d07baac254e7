-- Care referrals that are under way, by branch. Everything is emptied, so that the projector fills the new table from the log with the rest.
DELETE FROM patients;
DELETE FROM history;
DELETE FROM due;
DELETE FROM quotas;
DELETE FROM referrers;
DELETE FROM feedback;
DELETE FROM feedback_themes;
DELETE FROM contacts;
DELETE FROM contact_counts;
DELETE FROM refusal_counts;
DELETE FROM permit_counts;
DELETE FROM set_aside;
DELETE FROM forgetting;
DELETE FROM findings;
DELETE FROM wishes;
UPDATE checkpoint SET position = 0, policy = NULL;

CREATE TABLE referrals (
    patient      BLOB NOT NULL,
    referral     BLOB NOT NULL,
    branch       TEXT NOT NULL,
    need         TEXT NOT NULL,
    opened_at    TEXT NOT NULL,
    provider     BLOB,
    arranged_at  TEXT,
    to_call      INTEGER NOT NULL,
    PRIMARY KEY (patient, referral)
) STRICT;
CREATE INDEX referrals_by_branch ON referrals (branch, opened_at, patient, referral);
