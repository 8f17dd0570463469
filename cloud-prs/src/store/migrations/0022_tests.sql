-- A session that only tries whether a host answers is nobody's work there.
ALTER TABLE sessions ADD COLUMN test BIGINT NOT NULL DEFAULT 0;
