-- Care referrals that are under way, by branch. Everything is emptied, so that the projector fills the new table from the log with the rest.
TRUNCATE patients, history, due, quotas, referrers, feedback, feedback_themes, contacts,
    contact_counts, refusal_counts, permit_counts, set_aside, forgetting, findings, wishes;
UPDATE checkpoint SET position = 0, policy = NULL;

CREATE TABLE referrals (
    patient      UUID NOT NULL,
    referral     UUID NOT NULL,
    branch       TEXT COLLATE "C" NOT NULL,
    need         TEXT COLLATE "C" NOT NULL,
    opened_at    TIMESTAMPTZ NOT NULL,
    provider     UUID,
    arranged_at  TIMESTAMPTZ,
    to_call      BOOLEAN NOT NULL,
    PRIMARY KEY (patient, referral)
);
CREATE INDEX referrals_by_branch ON referrals (branch, opened_at, patient, referral);
