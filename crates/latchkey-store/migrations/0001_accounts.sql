-- Text, integers and nothing else, so that one text serves SQLite and PostgreSQL.
-- Times are seconds since 1970-01-01 UTC.

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    username      TEXT NOT NULL UNIQUE,  -- canonical: lower case
    email         TEXT,                  -- private; not unique, so that nothing reveals whether one is known
    password_hash TEXT NOT NULL,         -- PHC string
    role          TEXT NOT NULL,
    epoch         BIGINT NOT NULL,       -- access tokens of an earlier epoch are stale
    created_at    BIGINT NOT NULL,
    disabled_at   BIGINT
);

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,         -- the token's sid
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client     TEXT NOT NULL,            -- browser or api
    user_agent TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at   BIGINT,
    end_reason TEXT
);

CREATE INDEX sessions_of_user ON sessions (user_id);

-- Facts about the installation itself.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
