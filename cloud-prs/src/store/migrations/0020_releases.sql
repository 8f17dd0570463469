-- Releases of the boxes' system, which boxes may have them, and what each box
-- says that it runs. A ring is a number: boxes of a lower one come first.

CREATE TABLE releases (
    board TEXT NOT NULL,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    published BIGINT NOT NULL,
    -- The last ring that may have it; none before it is promoted.
    ring BIGINT,
    forced BIGINT NOT NULL,
    -- Why nobody gets it any more; empty: they do.
    halted TEXT NOT NULL,
    PRIMARY KEY (board, version)
);

CREATE TABLE gateway_systems (
    gateway TEXT PRIMARY KEY REFERENCES gateways (id) ON DELETE CASCADE,
    board TEXT NOT NULL,
    version BIGINT NOT NULL,
    trial BIGINT NOT NULL,
    progress BIGINT NOT NULL,
    progress_version BIGINT NOT NULL,
    why TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE TABLE gateway_offers (
    gateway TEXT PRIMARY KEY REFERENCES gateways (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    at BIGINT NOT NULL
);

CREATE TABLE gateway_rings (
    gateway TEXT PRIMARY KEY REFERENCES gateways (id) ON DELETE CASCADE,
    ring BIGINT NOT NULL
);
