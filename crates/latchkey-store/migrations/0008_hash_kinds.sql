-- The kind of the password hash: all of it but salt and digest, which leaves the algorithm and its cost. A sign-in that fails
-- takes as long as the kinds that accounts have now, so that its time says nothing about an account.
ALTER TABLE users ADD COLUMN hash_kind TEXT;

UPDATE users SET hash_kind = CASE
    WHEN password_hash LIKE '$2%' THEN SUBSTR(password_hash, 1, 7)
    WHEN password_hash LIKE '_argon2%' THEN RTRIM(
        RTRIM(
            RTRIM(password_hash, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'),
            '$'
        ),
        'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    )
END;

CREATE INDEX users_by_hash_kind ON users (hash_kind);

-- What was kept before: each kind that there ever was.
DROP TABLE hash_kinds;
