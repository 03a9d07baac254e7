-- The transparency logs over the event log. Tiles and nodes follow from the log; checkpoints and keys are what was signed, and follow from nothing.

-- One row a log: up to where it has come, all of it moved in one transaction.
CREATE TABLE logs (
    id bigint PRIMARY KEY,
    origin text NOT NULL UNIQUE,
    first_shard bigint NOT NULL,
    last_shard bigint NOT NULL,
    position bigint NOT NULL,
    size bigint NOT NULL,
    streams bigint NOT NULL,
    note text NOT NULL
);

-- Where leaves and positions stop running alike: from this leaf on, each leaf is one position further.
CREATE TABLE runs (
    log bigint NOT NULL,
    leaf bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (log, leaf)
);

CREATE TABLE tiles (
    log bigint NOT NULL,
    level bigint NOT NULL,
    number bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (log, level, number)
);

-- The map of streams: the number of the log, and the way to the node.
CREATE TABLE nodes (
    id bytea PRIMARY KEY,
    node bytea NOT NULL
);

-- What the network has signed. Of each hour the first one is kept.
CREATE TABLE checkpoints (
    number bigint PRIMARY KEY,
    made_at timestamptz NOT NULL,
    hourly boolean NOT NULL,
    note text NOT NULL,
    logs text NOT NULL
);

-- Public keys only, in the order in which they followed one another.
CREATE TABLE keys (
    number bigint PRIMARY KEY,
    public_key text NOT NULL UNIQUE,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz,
    succession text
);
