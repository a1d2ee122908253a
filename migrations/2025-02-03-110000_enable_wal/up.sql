-- With a write-ahead log, readers no longer wait while sync writes.
-- The journal mode cannot change inside a transaction; see metadata.toml.
PRAGMA journal_mode = WAL;
