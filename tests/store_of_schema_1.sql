-- The tables as the first version of the store made them in SQLite, with entries as it wrote them.
CREATE TABLE entries (
	account TEXT NOT NULL,
	kind TEXT NOT NULL,
	"key" TEXT NOT NULL,
	value TEXT NOT NULL,
	version INTEGER NOT NULL,
	created FLOAT NOT NULL,
	expires FLOAT,
	PRIMARY KEY (account, kind, "key")
);
CREATE INDEX ix_entries_expires ON entries (expires);
CREATE TABLE schema_version (
	version INTEGER NOT NULL,
	PRIMARY KEY (version)
);
INSERT INTO schema_version VALUES (1);
INSERT INTO entries VALUES ('', 'account', '059936564100', '{"domain": "d6c50c4e-9a5c-4a71-8d0b-a0f9a4d8b4c1", "account": "alice"}', 1, 1750000000.0, NULL);
INSERT INTO entries VALUES ('', 'account', '999999999999', '{}', 2, 1750000000.5, NULL);
INSERT INTO entries VALUES ('059936564100', 'launch-template', 'lt-moved', '{"id": "lt-moved", "name": "moved"}', 3, 1750000001.0, NULL);
INSERT INTO entries VALUES ('059936564100', 'launch-template', 'lt-both', '{"id": "lt-both", "name": "older"}', 1, 1750000002.0, NULL);
INSERT INTO entries VALUES ('d6c50c4e-9a5c-4a71-8d0b-a0f9a4d8b4c1/alice', 'launch-template', 'lt-both', '{"id": "lt-both", "name": "younger"}', 1, 1760000002.0, NULL);
INSERT INTO entries VALUES ('999999999999', 'launch-template', 'lt-whose', '{"id": "lt-whose", "name": "whose"}', 1, 1750000003.0, NULL);
