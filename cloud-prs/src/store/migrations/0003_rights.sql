-- Roles at places of the tree, held by people and by teams, in place of one
-- role for each person and a list of customers. node is an id, or empty for
-- everything.

CREATE TABLE teams (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL
);

CREATE TABLE team_members (
    team TEXT NOT NULL REFERENCES teams (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    added BIGINT NOT NULL,
    PRIMARY KEY (team, user_id)
);
CREATE INDEX team_members_user ON team_members (user_id);

CREATE TABLE assignments (
    id TEXT PRIMARY KEY,
    user_id TEXT REFERENCES users (id),
    team TEXT REFERENCES teams (id),
    role TEXT NOT NULL,
    kind TEXT NOT NULL,
    node TEXT NOT NULL,
    granted BIGINT NOT NULL,
    granted_by TEXT NOT NULL
);
CREATE UNIQUE INDEX assignments_once
    ON assignments (COALESCE(user_id, ''), COALESCE(team, ''), role, kind, node);
CREATE INDEX assignments_user ON assignments (user_id);
CREATE INDEX assignments_team ON assignments (team);
CREATE INDEX assignments_node ON assignments (kind, node);

INSERT INTO assignments (id, user_id, team, role, kind, node, granted, granted_by)
    SELECT id, id, NULL, 'owner', 'all', '', created, '' FROM users WHERE role = 'owner';

-- Half of each id makes one of its own.
INSERT INTO assignments (id, user_id, team, role, kind, node, granted, granted_by)
    SELECT SUBSTR(user_id, 1, 13) || SUBSTR(customer, 14, 13), user_id, NULL, 'technician',
        'customer', customer, granted, '' FROM permissions;

DROP TABLE permissions;

ALTER TABLE users DROP COLUMN role;
