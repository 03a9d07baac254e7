-- Two tables more, and everything emptied, so that the projector fills them from the log with the rest.
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

-- Care referrals that are under way, by branch.
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

-- How many people a branch, and the network as a whole, contacted in a month, and how many turned to "don't call me". Branch '': the network.
CREATE TABLE patient_months (
    branch    TEXT NOT NULL,
    month     TEXT NOT NULL,
    contacts  INTEGER NOT NULL,
    patients  INTEGER NOT NULL,
    turned    INTEGER NOT NULL,
    PRIMARY KEY (branch, month)
) STRICT;
