-- Sessions that refresh, end everywhere at once, and leave a trail: as migrations/sqlite/0002 has it, but for the news.

ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN salt TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN counter BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN rotated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_counter BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN last_used_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN ends_at BIGINT NOT NULL DEFAULT 0;

CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_end ON sessions (ended_at);

-- Names in the order of their bytes, as SQLite sorts them, whatever the language of the cluster is.
ALTER TABLE users ALTER COLUMN username TYPE TEXT COLLATE "C";

-- Numbers that a sequence gives are not in the order of commits: a reader that has seen 7 may see 6 appear later. Numbers of
-- transactions can be compared with those that are still under way, so a reader knows up to which one it has seen everything.
CREATE TABLE revocations (
    seq        BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    written_by BIGINT NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    session_id TEXT,
    user_id    TEXT,
    epoch      BIGINT,
    at         BIGINT NOT NULL
);

CREATE INDEX revocations_by_transaction ON revocations (written_by);
CREATE INDEX revocations_by_time ON revocations (at);

-- Wakes the nodes when the transaction that wrote the news is over. A node that misses it finds the news a moment later.
CREATE FUNCTION latchkey_tell_news() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('latchkey_news', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER tell_news AFTER INSERT ON revocations FOR EACH STATEMENT EXECUTE FUNCTION latchkey_tell_news();

CREATE TABLE events (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    at         BIGINT NOT NULL,
    count      BIGINT NOT NULL,
    client     TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    address    TEXT NOT NULL
);

CREATE INDEX events_of_user ON events (user_id, at);
CREATE INDEX events_by_time ON events (at);
