-- How many people a branch, and the network as a whole, contacted in a month, and how many turned to "don't call me". Branch '': the network.
-- Every other table is emptied with it: all are made again from the log, and rows that were left would be counted twice.
CREATE TABLE patient_months (
    branch    TEXT NOT NULL,
    month     TEXT NOT NULL,
    contacts  INTEGER NOT NULL,
    patients  INTEGER NOT NULL,
    turned    INTEGER NOT NULL,
    PRIMARY KEY (branch, month)
) STRICT;
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
