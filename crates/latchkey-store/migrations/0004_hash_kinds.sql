-- One row for each way in which passwords here were ever hashed: such a hash of nobody's password. Sign-ins that
-- fail take as long as the slowest of them, so that their time says nothing about an account.
CREATE TABLE hash_kinds (
    decoy TEXT PRIMARY KEY
);
