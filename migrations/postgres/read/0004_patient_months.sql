-- How many people a branch, and the network as a whole, contacted in a month, and how many turned to "don't call me". Branch '': the network.
-- Every other table is emptied with it: all are made again from the log, and rows that were left would be counted twice.
CREATE TABLE patient_months (
    branch    TEXT COLLATE "C" NOT NULL,
    month     TEXT COLLATE "C" NOT NULL,
    contacts  BIGINT NOT NULL,
    patients  BIGINT NOT NULL,
    turned    BIGINT NOT NULL,
    PRIMARY KEY (branch, month)
);
TRUNCATE patients, history, due, quotas, referrers, feedback, feedback_themes, contacts, contact_counts, refusal_counts, permit_counts, set_aside, forgetting, findings, wishes;
UPDATE checkpoint SET position = 0, policy = NULL;
