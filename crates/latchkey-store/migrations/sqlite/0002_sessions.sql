-- Sessions that refresh, end everywhere at once, and leave a trail. Times are seconds since 1970-01-01 UTC.

ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';       -- where it was begun from
ALTER TABLE sessions ADD COLUMN salt TEXT NOT NULL DEFAULT '';          -- part of what a refresh token's MAC covers
ALTER TABLE sessions ADD COLUMN counter BIGINT NOT NULL DEFAULT 0;      -- of the current refresh token
ALTER TABLE sessions ADD COLUMN rotated_at BIGINT NOT NULL DEFAULT 0;   -- when the counter last moved
ALTER TABLE sessions ADD COLUMN used_counter BIGINT NOT NULL DEFAULT 0; -- highest one whose access token was seen
ALTER TABLE sessions ADD COLUMN last_used_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;    -- when the password was last given
ALTER TABLE sessions ADD COLUMN ends_at BIGINT NOT NULL DEFAULT 0;      -- however often it is refreshed

UPDATE sessions SET ends_at = expires_at, last_used_at = started_at, proved_at = started_at, rotated_at = started_at;

CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_end ON sessions (ended_at);

-- The news that every node keeps in memory for as long as an access token may live. No reference to the
-- rows it is about: it outlives them.
CREATE TABLE revocations (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT,                     -- this session has ended,
    user_id    TEXT,                     -- or this user's access tokens
    epoch      BIGINT,                   -- of an earlier epoch are stale
    at         BIGINT NOT NULL
);

CREATE INDEX revocations_by_time ON revocations (at);

-- What happened to an account, for its owner to see.
CREATE TABLE events (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    at         BIGINT NOT NULL,
    count      BIGINT NOT NULL,          -- failed sign-ins from one address within an hour share a row
    client     TEXT NOT NULL,            -- browser, api or operator
    user_agent TEXT NOT NULL,
    address    TEXT NOT NULL
);

CREATE INDEX events_of_user ON events (user_id, at);
CREATE INDEX events_by_time ON events (at);
