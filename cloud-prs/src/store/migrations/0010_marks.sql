-- What people note about hosts, and what boxes say of themselves.

CREATE TABLE favourites (
    user_id TEXT NOT NULL REFERENCES users (id),
    host TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    added BIGINT NOT NULL,
    PRIMARY KEY (user_id, host)
);

CREATE TABLE host_notes (
    host TEXT PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    notes TEXT NOT NULL,
    tags TEXT NOT NULL
);

-- A box's own verdict on its way to the server, the newest only.
CREATE TABLE gateway_health (
    gateway TEXT PRIMARY KEY REFERENCES gateways (id) ON DELETE CASCADE,
    code TEXT NOT NULL,
    said TEXT NOT NULL,
    uptime BIGINT NOT NULL,
    at BIGINT NOT NULL
);

CREATE INDEX sessions_host ON sessions (host, started);
CREATE INDEX sessions_user ON sessions (user_id, started);
CREATE INDEX audit_at ON audit (at);
