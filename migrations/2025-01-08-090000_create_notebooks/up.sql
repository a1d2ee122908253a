-- Every note lives in exactly one notebook, so notebooks come first.
-- The uuid identifies a row across devices; the integer id is local.
CREATE TABLE notebooks (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT    NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
    name       TEXT    NOT NULL,
    color      TEXT,
    created_at INTEGER NOT NULL DEFAULT (unixepoch()),
    updated_at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

CREATE INDEX notebooks_name_idx ON notebooks (name COLLATE NOCASE);

CREATE TRIGGER notebooks_touch
AFTER UPDATE OF name, color ON notebooks
WHEN new.updated_at = old.updated_at
BEGIN
    UPDATE notebooks SET updated_at = unixepoch() WHERE id = new.id;
END;
