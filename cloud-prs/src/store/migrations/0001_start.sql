-- The first schema. Runs as it stands on SQLite and on PostgreSQL: ids, keys and
-- hashes are TEXT (base32), times BIGINT (milliseconds since 1970), flags BIGINT.
-- name_key is the name in lower case, as Unicode has it.

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    password TEXT NOT NULL,
    disabled BIGINT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE customers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL
);

CREATE TABLE sites (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customers (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    created BIGINT NOT NULL,
    UNIQUE (customer, name_key)
);

CREATE TABLE hosts (
    id TEXT PRIMARY KEY,
    site TEXT NOT NULL REFERENCES sites (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    address TEXT NOT NULL,
    services TEXT NOT NULL,
    any_port BIGINT NOT NULL,
    created BIGINT NOT NULL,
    UNIQUE (site, name_key)
);

CREATE TABLE permissions (
    user_id TEXT NOT NULL REFERENCES users (id),
    customer TEXT NOT NULL REFERENCES customers (id),
    granted BIGINT NOT NULL,
    PRIMARY KEY (user_id, customer)
);

-- A gateway is a place's box; its key changes when the box is replaced.
CREATE TABLE gateways (
    id TEXT PRIMARY KEY,
    site TEXT UNIQUE REFERENCES sites (id),
    identity TEXT NOT NULL UNIQUE,
    sealing TEXT NOT NULL,
    state TEXT NOT NULL,
    version TEXT NOT NULL,
    claimed BIGINT NOT NULL,
    online BIGINT NOT NULL,
    last_seen BIGINT,
    boot TEXT,
    lease TEXT,
    pending TEXT,
    counter BIGINT NOT NULL
);

-- Keys that were a gateway's once and never serve again.
CREATE TABLE retired_keys (
    identity TEXT PRIMARY KEY,
    gateway TEXT NOT NULL,
    retired BIGINT NOT NULL
);

CREATE TABLE claims (
    id TEXT PRIMARY KEY,
    seed TEXT NOT NULL,
    site TEXT REFERENCES sites (id),
    replaces TEXT REFERENCES gateways (id),
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT,
    used_by TEXT,
    voided BIGINT
);

-- Names are kept as they were: reports read only these rows.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    customer TEXT NOT NULL,
    customer_name TEXT NOT NULL,
    site TEXT NOT NULL,
    site_name TEXT NOT NULL,
    host TEXT NOT NULL,
    host_name TEXT NOT NULL,
    gateway TEXT NOT NULL,
    gateway_key TEXT NOT NULL,
    end_key TEXT NOT NULL,
    token TEXT,
    protocol TEXT NOT NULL,
    targets TEXT NOT NULL,
    serial BIGINT NOT NULL,
    started BIGINT NOT NULL,
    join_by BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    ended BIGINT,
    reason BIGINT,
    from_hosts BIGINT NOT NULL,
    to_hosts BIGINT NOT NULL,
    technician_ticket TEXT,
    gateway_ticket TEXT
);
CREATE INDEX sessions_live ON sessions (ended, ends_at);
CREATE INDEX sessions_started ON sessions (started);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    device TEXT,
    label TEXT NOT NULL,
    scopes TEXT NOT NULL,
    customers TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    last_used BIGINT,
    revoked BIGINT
);
CREATE INDEX tokens_user ON tokens (user_id);

CREATE TABLE launches (
    hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    token TEXT NOT NULL,
    host TEXT NOT NULL,
    protocol TEXT NOT NULL,
    ports TEXT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT
);

-- Orders to gateways until they are acknowledged.
CREATE TABLE revocations (
    gateway_key TEXT NOT NULL,
    counter BIGINT NOT NULL,
    signed TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (gateway_key, counter)
);

-- What a running server still has to do about a change, in the same
-- transaction as the change.
CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason BIGINT NOT NULL
);

CREATE TABLE audit (
    chain TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    source TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    before_state TEXT NOT NULL,
    after_state TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (chain, seq)
);

CREATE TABLE audit_heads (
    chain TEXT PRIMARY KEY,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    hash TEXT NOT NULL,
    signer TEXT NOT NULL,
    signature TEXT NOT NULL
);
