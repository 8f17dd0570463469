-- Second factors. A TOTP secret is encrypted with a key that is not in the
-- database; recovery codes are hashes; of a passkey there is only the public
-- half.

CREATE TABLE totp (
    user_id TEXT PRIMARY KEY REFERENCES users (id),
    secret TEXT NOT NULL,
    last_step BIGINT NOT NULL,
    confirmed BIGINT
);

CREATE TABLE recovery_codes (
    hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    made BIGINT NOT NULL,
    used BIGINT
);
CREATE INDEX recovery_codes_user ON recovery_codes (user_id);

CREATE TABLE passkeys (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    credential TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL,
    counter BIGINT NOT NULL,
    label TEXT NOT NULL,
    created BIGINT NOT NULL,
    last_used BIGINT
);
CREATE INDEX passkeys_user ON passkeys (user_id);
