-- Up to where the reactor has carried out what events set off.
CREATE TABLE reactor_position (
    name text PRIMARY KEY,
    position bigint NOT NULL
);
