-- The transparency logs over the event log. Tiles and nodes follow from the log; checkpoints and keys are what was signed, and follow from nothing.

-- One row a log: up to where it has come, all of it moved in one transaction.
CREATE TABLE logs (
    id INTEGER PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE,
    first_shard INTEGER NOT NULL,
    last_shard INTEGER NOT NULL,
    position INTEGER NOT NULL,
    size INTEGER NOT NULL,
    streams INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

-- Where leaves and positions stop running alike: from this leaf on, each leaf is one position further.
CREATE TABLE runs (
    log INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (log, leaf)
) STRICT;

CREATE TABLE tiles (
    log INTEGER NOT NULL,
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (log, level, number)
) STRICT;

-- The map of streams: the number of the log, and the way to the node.
CREATE TABLE nodes (
    id BLOB PRIMARY KEY,
    node BLOB NOT NULL
) STRICT;

-- What the network has signed. Of each hour the first one is kept.
CREATE TABLE checkpoints (
    number INTEGER PRIMARY KEY,
    made_at TEXT NOT NULL,
    hourly INTEGER NOT NULL,
    note TEXT NOT NULL,
    logs TEXT NOT NULL
) STRICT;

-- Public keys only, in the order in which they followed one another.
CREATE TABLE keys (
    number INTEGER PRIMARY KEY,
    public_key TEXT NOT NULL UNIQUE,
    valid_from TEXT NOT NULL,
    valid_until TEXT,
    succession TEXT
) STRICT;
