-- Programs of the provider's that want to be told, and what they are still to
-- be told. `told` is what was said of a gateway last.

CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    events TEXT NOT NULL,
    created BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    dropped BIGINT NOT NULL,
    last_at BIGINT,
    last_outcome TEXT NOT NULL
);

CREATE TABLE webhook_queue (
    id TEXT PRIMARY KEY,
    webhook TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX webhook_queue_order ON webhook_queue (webhook, created);

ALTER TABLE gateways ADD COLUMN told TEXT NOT NULL DEFAULT '';
