-- All tables anew, with two more: care referrals under way, and contacts per patient and month. The first release had some of them otherwise
-- under the same number. The projector fills them from the log.
DROP TABLE IF EXISTS patients;
DROP TABLE IF EXISTS history;
DROP TABLE IF EXISTS due;
DROP TABLE IF EXISTS quotas;
DROP TABLE IF EXISTS referrers;
DROP TABLE IF EXISTS feedback;
DROP TABLE IF EXISTS feedback_themes;
DROP TABLE IF EXISTS contacts;
DROP TABLE IF EXISTS contact_counts;
DROP TABLE IF EXISTS refusal_counts;
DROP TABLE IF EXISTS permit_counts;
DROP TABLE IF EXISTS set_aside;
DROP TABLE IF EXISTS forgetting;
DROP TABLE IF EXISTS findings;
DROP TABLE IF EXISTS wishes;
DROP TABLE IF EXISTS referrals;
DROP TABLE IF EXISTS patient_months;
UPDATE checkpoint SET position = 0, policy = NULL;

CREATE TABLE patients (
    patient        BLOB PRIMARY KEY,
    home_branch    TEXT,
    standing       TEXT NOT NULL,
    merged_into    BLOB,
    reach          TEXT,
    registered_at  TEXT,
    version        INTEGER NOT NULL,
    position       INTEGER NOT NULL,
    last_hash      BLOB NOT NULL,
    state          TEXT NOT NULL,
    trail          TEXT NOT NULL
) STRICT;
CREATE INDEX patients_by_branch ON patients (home_branch, patient);

CREATE TABLE history (
    patient      BLOB NOT NULL,
    position     INTEGER PRIMARY KEY,
    sequence     INTEGER NOT NULL,
    event        BLOB NOT NULL,
    kind         TEXT,
    time         TEXT,
    recorded_at  TEXT,
    actor        TEXT,
    branch       TEXT,
    body         TEXT NOT NULL
) STRICT;
CREATE INDEX history_by_patient ON history (patient, position);

CREATE TABLE due (
    patient      BLOB NOT NULL,
    purpose      TEXT NOT NULL,
    about        BLOB NOT NULL,
    occasion     TEXT NOT NULL,
    at           TEXT NOT NULL,
    due_from     TEXT NOT NULL,
    due_until    TEXT,
    branch       TEXT NOT NULL,
    to_announce  INTEGER NOT NULL,
    policy       TEXT NOT NULL,
    PRIMARY KEY (patient, purpose, about)
) STRICT;
CREATE INDEX due_by_branch ON due (branch, due_from, patient, purpose, about);

CREATE TABLE quotas (
    patient   BLOB NOT NULL,
    purpose   TEXT NOT NULL,
    limit_no  INTEGER NOT NULL,
    about     BLOB NOT NULL,
    overall   INTEGER NOT NULL,
    words     TEXT NOT NULL,
    most      INTEGER NOT NULL,
    counted   INTEGER NOT NULL,
    room_at   TEXT,
    never     INTEGER NOT NULL,
    branch    TEXT NOT NULL,
    PRIMARY KEY (patient, purpose, limit_no, about)
) STRICT;
CREATE INDEX quotas_by_branch ON quotas (branch, purpose, patient);

CREATE TABLE referrers (
    patient      BLOB PRIMARY KEY,
    branch       TEXT NOT NULL,
    recommended  INTEGER NOT NULL,
    last_at      TEXT NOT NULL,
    ask_from     TEXT,
    ask_until    TEXT
) STRICT;
CREATE INDEX referrers_by_branch ON referrers (branch, patient);

CREATE TABLE feedback (
    position     INTEGER PRIMARY KEY,
    feedback     BLOB NOT NULL,
    patient      BLOB NOT NULL,
    branch       TEXT NOT NULL,
    clinician    BLOB,
    score        INTEGER NOT NULL,
    strengths    TEXT NOT NULL,
    weaknesses   TEXT NOT NULL,
    words        BLOB,
    given_at     TEXT NOT NULL,
    month        TEXT NOT NULL,
    of_referrer  INTEGER NOT NULL
) STRICT;
CREATE INDEX feedback_by_branch ON feedback (branch, month);
CREATE INDEX feedback_by_patient ON feedback (patient);

CREATE TABLE feedback_themes (
    position     INTEGER NOT NULL,
    theme        TEXT NOT NULL,
    strength     INTEGER NOT NULL,
    branch       TEXT NOT NULL,
    clinician    BLOB,
    month        TEXT NOT NULL,
    of_referrer  INTEGER NOT NULL,
    PRIMARY KEY (position, theme, strength)
) STRICT;
CREATE INDEX feedback_themes_by_branch ON feedback_themes (branch, month);

CREATE TABLE contacts (
    position     INTEGER PRIMARY KEY,
    contact      BLOB NOT NULL,
    patient      BLOB NOT NULL,
    time         TEXT NOT NULL,
    recorded_at  TEXT NOT NULL,
    direction    TEXT NOT NULL,
    purpose      TEXT NOT NULL,
    channel      TEXT NOT NULL,
    branch       TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    about        BLOB,
    permit       BLOB,
    note         BLOB,
    actor        TEXT NOT NULL,
    announced    INTEGER NOT NULL,
    before_tact  INTEGER NOT NULL,
    breach       INTEGER NOT NULL
) STRICT;
CREATE INDEX contacts_by_patient ON contacts (patient, time);
CREATE INDEX contacts_by_id ON contacts (contact);
CREATE INDEX breaches_by_branch ON contacts (branch, time) WHERE breach;

CREATE TABLE contact_counts (
    branch       TEXT NOT NULL,
    month        TEXT NOT NULL,
    purpose      TEXT NOT NULL,
    channel      TEXT NOT NULL,
    direction    TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    made         INTEGER NOT NULL,
    announced    INTEGER NOT NULL,
    breaches     INTEGER NOT NULL,
    before_tact  INTEGER NOT NULL,
    PRIMARY KEY (branch, month, purpose, channel, direction, outcome)
) STRICT;

CREATE TABLE refusal_counts (
    branch   TEXT NOT NULL,
    month    TEXT NOT NULL,
    purpose  TEXT NOT NULL,
    code     TEXT NOT NULL,
    refused  INTEGER NOT NULL,
    PRIMARY KEY (branch, month, purpose, code)
) STRICT;

CREATE TABLE permit_counts (
    branch   TEXT NOT NULL,
    month    TEXT NOT NULL,
    purpose  TEXT NOT NULL,
    granted  INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    PRIMARY KEY (branch, month, purpose)
) STRICT;

CREATE TABLE set_aside (
    stream    TEXT PRIMARY KEY,
    position  INTEGER NOT NULL,
    sequence  INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    since     TEXT
) STRICT;

CREATE TABLE forgetting (
    patient    BLOB PRIMARY KEY,
    forget_at  TEXT NOT NULL
) STRICT;
CREATE INDEX forgetting_by_time ON forgetting (forget_at);

CREATE TABLE findings (
    finding  BLOB PRIMARY KEY,
    patient  BLOB NOT NULL,
    contact  BLOB NOT NULL,
    kind     TEXT NOT NULL,
    time     TEXT NOT NULL,
    month    TEXT NOT NULL,
    branch   TEXT NOT NULL,
    purpose  TEXT NOT NULL,
    channel  TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    policy   TEXT NOT NULL,
    detail   TEXT NOT NULL
) STRICT;
CREATE INDEX findings_by_time ON findings (time, finding);
CREATE INDEX findings_by_branch ON findings (branch, time, finding);
CREATE INDEX findings_by_patient ON findings (patient);

CREATE TABLE wishes (
    position     INTEGER PRIMARY KEY,
    wish         BLOB NOT NULL,
    patient      BLOB NOT NULL,
    time         TEXT NOT NULL,
    recorded_at  TEXT NOT NULL,
    month        TEXT NOT NULL,
    branch       TEXT NOT NULL,
    actor        TEXT NOT NULL
) STRICT;
CREATE INDEX wishes_by_time ON wishes (time, position);

-- What a branch has done on a day.
CREATE INDEX contacts_by_branch ON contacts (branch, time);

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
