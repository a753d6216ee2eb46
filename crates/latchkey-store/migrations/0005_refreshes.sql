-- When all refreshes of a session are there again: so many at once, then one a second.
ALTER TABLE sessions ADD COLUMN refreshes_until BIGINT NOT NULL DEFAULT 0;
