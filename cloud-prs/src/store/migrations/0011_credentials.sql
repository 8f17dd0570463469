-- Passwords and keys of hosts, sealed by a browser so that only the site's box
-- opens them; and who entered or was given one. The box's own signature over
-- its sealing key lets the browser check what it seals to.

ALTER TABLE gateways ADD COLUMN sealing_signature TEXT NOT NULL DEFAULT '';

CREATE TABLE credentials (
    host TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    protocol TEXT NOT NULL,
    port BIGINT NOT NULL,
    account TEXT NOT NULL,
    sealed TEXT NOT NULL,
    gateway_key TEXT NOT NULL,
    address TEXT NOT NULL,
    entered_by TEXT NOT NULL,
    entered_by_name TEXT NOT NULL,
    entered BIGINT NOT NULL,
    PRIMARY KEY (host, protocol, port)
);

-- Kept when the credential is gone: what somebody knew she still knows.
CREATE TABLE credential_hands (
    user_id TEXT NOT NULL,
    host TEXT NOT NULL,
    host_name TEXT NOT NULL,
    customer TEXT NOT NULL,
    customer_name TEXT NOT NULL,
    protocol TEXT NOT NULL,
    account TEXT NOT NULL,
    entered BIGINT,
    used BIGINT,
    PRIMARY KEY (user_id, host, protocol, account)
);
