-- Browser sessions whose cookie has not come back: the first request of a session raises its used_counter from -1.
CREATE INDEX sessions_unconfirmed ON sessions (started_at) WHERE client = 'browser' AND used_counter < 0 AND ended_at IS NULL;
