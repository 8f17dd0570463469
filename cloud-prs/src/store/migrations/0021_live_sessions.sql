-- Running sessions are few among all that ever were: asking for them must not read
-- somebody's, or a host's, whole history.
CREATE INDEX sessions_live_user ON sessions (user_id, started) WHERE ended IS NULL;
CREATE INDEX sessions_live_host ON sessions (host, started) WHERE ended IS NULL;
