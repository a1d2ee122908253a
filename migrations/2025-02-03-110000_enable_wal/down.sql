-- Leaving WAL needs the only open connection to the database.
PRAGMA journal_mode = DELETE;
