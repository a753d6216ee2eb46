-- Sessions that end by one row for an account, revocations that outlast every token they revoke, and accounts that are
-- removed in two steps. Times are seconds since 1970-01-01 UTC.

-- Sessions of an earlier epoch than this have ended, whatever their own row says.
ALTER TABLE users ADD COLUMN sessions_from BIGINT NOT NULL DEFAULT 0;
-- When and why those sessions ended.
ALTER TABLE users ADD COLUMN sessions_ended_at BIGINT;
ALTER TABLE users ADD COLUMN sessions_end_reason TEXT;
-- The rows of sessions of an earlier epoch than this are marked as ended as well.
ALTER TABLE users ADD COLUMN sessions_marked BIGINT NOT NULL DEFAULT 0;
-- How often the password was replaced: a known-device cookie of an earlier generation is void.
ALTER TABLE users ADD COLUMN password_generation BIGINT NOT NULL DEFAULT 0;
-- Set when the account is removed; its rows are deleted in batches after that.
ALTER TABLE users ADD COLUMN removed_at BIGINT;

CREATE INDEX users_with_unmarked_sessions ON users (id) WHERE sessions_marked < sessions_from;
CREATE INDEX users_removed ON users (id) WHERE removed_at IS NOT NULL;

-- The user's epoch when the session began, or when it outlived the end of all others.
ALTER TABLE sessions ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
-- The latest expiry of its access tokens. Tokens from before this migration live for at most 24 hours.
ALTER TABLE sessions ADD COLUMN token_exp BIGINT NOT NULL DEFAULT 0;
UPDATE sessions SET token_exp = CAST(strftime('%s', 'now') AS INTEGER) + 86400 WHERE ended_at IS NULL;

DROP INDEX sessions_of_user;
CREATE INDEX sessions_of_user ON sessions (user_id, ended_at, epoch, id);

-- The latest expiry of the access tokens that the row revokes; "at" is when the row was written.
ALTER TABLE revocations ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
UPDATE revocations SET at = CAST(strftime('%s', 'now') AS INTEGER), expires_at = CAST(strftime('%s', 'now') AS INTEGER) + 86400;

DROP INDEX revocations_by_time;
CREATE INDEX revocations_by_expiry ON revocations (expires_at);
