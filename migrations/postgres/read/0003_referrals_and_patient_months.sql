-- All tables anew, with two more: care referrals under way, and contacts per patient and month. The first release had some of them otherwise
-- under the same number. The projector fills them from the log.
DROP TABLE IF EXISTS patients, history, due, quotas, referrers, feedback, feedback_themes, contacts, contact_counts, refusal_counts, permit_counts, set_aside, forgetting, findings, wishes, referrals, patient_months;
UPDATE checkpoint SET position = 0, policy = NULL;

CREATE TABLE patients (
    patient        UUID PRIMARY KEY,
    home_branch    TEXT COLLATE "C",
    standing       TEXT NOT NULL,
    merged_into    UUID,
    reach          TEXT,
    registered_at  TIMESTAMPTZ,
    version        BIGINT NOT NULL,
    position       BIGINT NOT NULL,
    last_hash      BYTEA NOT NULL,
    state          TEXT NOT NULL,
    trail          TEXT NOT NULL
);
CREATE INDEX patients_by_branch ON patients (home_branch, patient);

CREATE TABLE history (
    patient      UUID NOT NULL,
    position     BIGINT NOT NULL,
    sequence     BIGINT NOT NULL,
    event        UUID NOT NULL,
    kind         TEXT,
    time         TIMESTAMPTZ,
    recorded_at  TIMESTAMPTZ,
    actor        TEXT,
    branch       TEXT,
    body         TEXT NOT NULL,
    PRIMARY KEY (patient, position)
);

CREATE TABLE due (
    patient      UUID NOT NULL,
    purpose      TEXT COLLATE "C" NOT NULL,
    about        UUID NOT NULL,
    occasion     TEXT NOT NULL,
    at           TIMESTAMPTZ NOT NULL,
    due_from     TIMESTAMPTZ NOT NULL,
    due_until    TIMESTAMPTZ,
    branch       TEXT COLLATE "C" NOT NULL,
    to_announce  BOOLEAN NOT NULL,
    policy       TEXT NOT NULL,
    PRIMARY KEY (patient, purpose, about)
);
CREATE INDEX due_by_branch ON due (branch, due_from, patient, purpose, about);

CREATE TABLE quotas (
    patient   UUID NOT NULL,
    purpose   TEXT COLLATE "C" NOT NULL,
    limit_no  BIGINT NOT NULL,
    about     UUID NOT NULL,
    overall   BOOLEAN NOT NULL,
    words     TEXT NOT NULL,
    most      BIGINT NOT NULL,
    counted   BIGINT NOT NULL,
    room_at   TIMESTAMPTZ,
    never     BOOLEAN NOT NULL,
    branch    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (patient, purpose, limit_no, about)
);
CREATE INDEX quotas_by_branch ON quotas (branch, purpose, patient);

CREATE TABLE referrers (
    patient      UUID PRIMARY KEY,
    branch       TEXT COLLATE "C" NOT NULL,
    recommended  BIGINT NOT NULL,
    last_at      TIMESTAMPTZ NOT NULL,
    ask_from     TIMESTAMPTZ,
    ask_until    TIMESTAMPTZ
);
CREATE INDEX referrers_by_branch ON referrers (branch, patient);

CREATE TABLE feedback (
    position     BIGINT PRIMARY KEY,
    feedback     UUID NOT NULL,
    patient      UUID NOT NULL,
    branch       TEXT COLLATE "C" NOT NULL,
    clinician    UUID,
    score        BIGINT NOT NULL,
    strengths    TEXT NOT NULL,
    weaknesses   TEXT NOT NULL,
    words        UUID,
    given_at     TIMESTAMPTZ NOT NULL,
    month        TEXT COLLATE "C" NOT NULL,
    of_referrer  BOOLEAN NOT NULL
);
CREATE INDEX feedback_by_branch ON feedback (branch, month);
CREATE INDEX feedback_by_patient ON feedback (patient);

CREATE TABLE feedback_themes (
    position     BIGINT NOT NULL,
    theme        TEXT COLLATE "C" NOT NULL,
    strength     BOOLEAN NOT NULL,
    branch       TEXT COLLATE "C" NOT NULL,
    clinician    UUID,
    month        TEXT COLLATE "C" NOT NULL,
    of_referrer  BOOLEAN NOT NULL,
    PRIMARY KEY (position, theme, strength)
);
CREATE INDEX feedback_themes_by_branch ON feedback_themes (branch, month);

CREATE TABLE contacts (
    position     BIGINT PRIMARY KEY,
    contact      UUID NOT NULL,
    patient      UUID NOT NULL,
    time         TIMESTAMPTZ NOT NULL,
    recorded_at  TIMESTAMPTZ NOT NULL,
    direction    TEXT NOT NULL,
    purpose      TEXT COLLATE "C" NOT NULL,
    channel      TEXT NOT NULL,
    branch       TEXT COLLATE "C" NOT NULL,
    outcome      TEXT NOT NULL,
    about        UUID,
    permit       UUID,
    note         UUID,
    actor        TEXT NOT NULL,
    announced    BOOLEAN NOT NULL,
    before_tact  BOOLEAN NOT NULL,
    breach       BOOLEAN NOT NULL
);
CREATE INDEX contacts_by_patient ON contacts (patient, time);
CREATE INDEX contacts_by_id ON contacts (contact);
CREATE INDEX breaches_by_branch ON contacts (branch, time) WHERE breach;

CREATE TABLE contact_counts (
    branch       TEXT COLLATE "C" NOT NULL,
    month        TEXT COLLATE "C" NOT NULL,
    purpose      TEXT COLLATE "C" NOT NULL,
    channel      TEXT COLLATE "C" NOT NULL,
    direction    TEXT COLLATE "C" NOT NULL,
    outcome      TEXT COLLATE "C" NOT NULL,
    made         BIGINT NOT NULL,
    announced    BIGINT NOT NULL,
    breaches     BIGINT NOT NULL,
    before_tact  BIGINT NOT NULL,
    PRIMARY KEY (branch, month, purpose, channel, direction, outcome)
);

CREATE TABLE refusal_counts (
    branch   TEXT COLLATE "C" NOT NULL,
    month    TEXT COLLATE "C" NOT NULL,
    purpose  TEXT COLLATE "C" NOT NULL,
    code     TEXT COLLATE "C" NOT NULL,
    refused  BIGINT NOT NULL,
    PRIMARY KEY (branch, month, purpose, code)
);

CREATE TABLE permit_counts (
    branch   TEXT COLLATE "C" NOT NULL,
    month    TEXT COLLATE "C" NOT NULL,
    purpose  TEXT COLLATE "C" NOT NULL,
    granted  BIGINT NOT NULL,
    refused  BIGINT NOT NULL,
    PRIMARY KEY (branch, month, purpose)
);

CREATE TABLE set_aside (
    stream    TEXT COLLATE "C" PRIMARY KEY,
    position  BIGINT NOT NULL,
    sequence  BIGINT NOT NULL,
    reason    TEXT NOT NULL,
    since     TIMESTAMPTZ
);

CREATE TABLE forgetting (
    patient    UUID PRIMARY KEY,
    forget_at  TIMESTAMPTZ NOT NULL
);
CREATE INDEX forgetting_by_time ON forgetting (forget_at);

CREATE TABLE findings (
    finding  UUID PRIMARY KEY,
    patient  UUID NOT NULL,
    contact  UUID NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    time     TIMESTAMPTZ NOT NULL,
    month    TEXT COLLATE "C" NOT NULL,
    branch   TEXT COLLATE "C" NOT NULL,
    purpose  TEXT COLLATE "C" NOT NULL,
    channel  TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    policy   TEXT NOT NULL,
    detail   TEXT NOT NULL
);
CREATE INDEX findings_by_time ON findings (time, finding);
CREATE INDEX findings_by_branch ON findings (branch, time, finding);
CREATE INDEX findings_by_patient ON findings (patient);

CREATE TABLE wishes (
    position     BIGINT PRIMARY KEY,
    wish         UUID NOT NULL,
    patient      UUID NOT NULL,
    time         TIMESTAMPTZ NOT NULL,
    recorded_at  TIMESTAMPTZ NOT NULL,
    month        TEXT COLLATE "C" NOT NULL,
    branch       TEXT COLLATE "C" NOT NULL,
    actor        TEXT COLLATE "C" NOT NULL
);
CREATE INDEX wishes_by_time ON wishes (time, position);

-- What a branch has done on a day.
CREATE INDEX contacts_by_branch ON contacts (branch, time);

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
