-- Indexes for many accounts and sessions; each change of a session writes into one fewer than before.

-- The live sessions of an account, newest first, page by page: ids are in the order of time and never change.
DROP INDEX sessions_of_user;
CREATE INDEX sessions_of_user ON sessions (user_id, ended_at, id);

-- A session is in one of these: what lives is counted and expires by the first, what has ended is found by the second.
DROP INDEX sessions_by_expiry;
CREATE INDEX sessions_by_expiry ON sessions (expires_at) WHERE ended_at IS NULL;
DROP INDEX sessions_by_end;
CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- The failure that another one like it is counted to.
CREATE INDEX failures_of_user ON events (user_id, address, at) WHERE kind = 'sign_in_failed';
