-- How much of its tries an account, or a known device of one, has used up. The key is a MAC: what people type is not kept.
CREATE TABLE throttles (
    key   TEXT PRIMARY KEY,
    until BIGINT NOT NULL                -- when all tries are there again
);

CREATE INDEX throttles_by_time ON throttles (until);
