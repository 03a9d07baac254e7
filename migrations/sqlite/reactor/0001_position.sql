-- Up to where the reactor has carried out what events set off.
CREATE TABLE reactor_position (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT;
