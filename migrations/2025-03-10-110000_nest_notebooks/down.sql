-- Back to flat notebooks; nested ones move to the top level. The rows wait in a
-- second table, because RENAME would store the table name in quotes and so leave
-- a schema that differs from the one before.
CREATE TABLE notebooks_old AS
SELECT id, uuid, name, nullif(color, '#808080') AS color, created_at, updated_at
FROM notebooks;

DROP TABLE notebooks;

CREATE TABLE notebooks (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT    NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
    name       TEXT    NOT NULL,
    color      TEXT,
    created_at INTEGER NOT NULL DEFAULT (unixepoch()),
    updated_at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

INSERT INTO notebooks (id, uuid, name, color, created_at, updated_at)
SELECT id, uuid, name, color, created_at, updated_at
FROM notebooks_old;

DROP TABLE notebooks_old;

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
