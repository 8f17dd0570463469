-- One-time links by which a colleague sets her password: a new one (roles as
-- JSON), or after a reset the one of an account that is there (user_id).

CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    user_id TEXT REFERENCES users (id),
    roles TEXT NOT NULL,
    made_by TEXT,
    made_by_name TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT,
    voided BIGINT
);
