-- Notebooks can be nested, and "no color" becomes an explicit grey. SQLite cannot
-- change the default of a column in place, so rebuild the table:
-- https://www.sqlite.org/lang_altertable.html#otheralter
-- With foreign keys enforced, DROP TABLE would cascade to every note.
CREATE TABLE notebooks_new (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT    NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
    parent_id  INTEGER REFERENCES notebooks (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    color      TEXT    NOT NULL DEFAULT '#808080',
    created_at INTEGER NOT NULL DEFAULT (unixepoch()),
    updated_at INTEGER NOT NULL DEFAULT (unixepoch()),
    CHECK (parent_id <> id)
) STRICT;

INSERT INTO notebooks_new (id, uuid, name, color, created_at, updated_at)
SELECT id, uuid, name, coalesce(color, '#808080'), created_at, updated_at
FROM notebooks;

DROP TABLE notebooks;
ALTER TABLE notebooks_new RENAME TO notebooks;

-- The indexes and triggers went with the old table.
CREATE INDEX notebooks_parent_idx ON notebooks (parent_id);
CREATE INDEX notebooks_name_idx ON notebooks (name COLLATE NOCASE);

CREATE TRIGGER notebooks_touch
AFTER UPDATE OF name, color ON notebooks
WHEN new.updated_at = old.updated_at
BEGIN
    UPDATE notebooks SET updated_at = unixepoch() WHERE id = new.id;
END;

CREATE TRIGGER notebooks_default_settings
AFTER INSERT ON notebooks
BEGIN
    INSERT INTO notebook_settings (notebook_id) VALUES (new.id);
END;
