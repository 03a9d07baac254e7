-- Two tables more, and everything emptied, so that the projector fills them from the log with the rest.
TRUNCATE patients, history, due, quotas, referrers, feedback, feedback_themes, contacts,
    contact_counts, refusal_counts, permit_counts, set_aside, forgetting, findings, wishes;
UPDATE checkpoint SET position = 0, policy = NULL;

-- Care referrals that are under way, by branch.
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

-- How many people a branch, and the network as a whole, contacted in a month, and how many turned to "don't call me". Branch '': the network.
CREATE TABLE patient_months (
    branch    TEXT COLLATE "C" NOT NULL,
    month     TEXT COLLATE "C" NOT NULL,
    contacts  BIGINT NOT NULL,
    patients  BIGINT NOT NULL,
    turned    BIGINT NOT NULL,
    PRIMARY KEY (branch, month)
);
