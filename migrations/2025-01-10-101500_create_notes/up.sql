-- The notes themselves. Deleting a notebook deletes the notes in it.
CREATE TABLE notes (
    id          INTEGER PRIMARY KEY,
    uuid        TEXT    NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
    notebook_id INTEGER NOT NULL REFERENCES notebooks (id) ON DELETE CASCADE,
    title       TEXT    NOT NULL DEFAULT '',
    body        TEXT    NOT NULL DEFAULT '',
    is_pinned   INTEGER NOT NULL DEFAULT 0 CHECK (is_pinned IN (0, 1)),
    trashed_at  INTEGER,
    created_at  INTEGER NOT NULL DEFAULT (unixepoch()),
    updated_at  INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

CREATE INDEX notes_notebook_idx ON notes (notebook_id);

CREATE TRIGGER notes_touch
AFTER UPDATE OF title, body ON notes
WHEN new.updated_at = old.updated_at
BEGIN
    UPDATE notes SET updated_at = unixepoch() WHERE id = new.id;
END;
