-- Full-text search over title and body. The index reads its text from notes
-- (external content), so each trigger must hand it the exact old values to remove.
-- Write with UPSERT, not REPLACE: REPLACE does not fire delete triggers by default.
CREATE VIRTUAL TABLE notes_fts USING fts5(
    title,
    body,
    content = 'notes',
    content_rowid = 'id',
    tokenize = 'unicode61 remove_diacritics 2'
);

-- Index the notes that are already there.
INSERT INTO notes_fts (notes_fts) VALUES ('rebuild');

CREATE TRIGGER notes_fts_insert
AFTER INSERT ON notes
BEGIN
    INSERT INTO notes_fts (rowid, title, body)
    VALUES (new.id, new.title, new.body);
END;

CREATE TRIGGER notes_fts_delete
AFTER DELETE ON notes
BEGIN
    INSERT INTO notes_fts (notes_fts, rowid, title, body)
    VALUES ('delete', old.id, old.title, old.body);
END;

CREATE TRIGGER notes_fts_update
AFTER UPDATE OF id, title, body ON notes
BEGIN
    INSERT INTO notes_fts (notes_fts, rowid, title, body)
    VALUES ('delete', old.id, old.title, old.body);
    INSERT INTO notes_fts (rowid, title, body)
    VALUES (new.id, new.title, new.body);
END;
