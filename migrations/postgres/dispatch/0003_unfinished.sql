-- What is not over is counted whenever somebody reads the metrics: it must not take longer the more has been sent.
CREATE INDEX dispatches_unfinished ON dispatches (state, started_at) WHERE state IN ('waiting', 'open', 'review');
