-- From where a sign-in or API token was made, and when its person last proved
-- herself once more.

ALTER TABLE tokens ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN stepped_up BIGINT;
