-- Keep what a note said before each edit, so that an edit can be undone later.
CREATE TABLE note_revisions (
    id       INTEGER PRIMARY KEY,
    note_id  INTEGER NOT NULL REFERENCES notes (id) ON DELETE CASCADE,
    title    TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    saved_at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

CREATE INDEX note_revisions_note_idx ON note_revisions (note_id, id);

CREATE TRIGGER notes_keep_revision
AFTER UPDATE OF title, body ON notes
WHEN new.title <> old.title OR new.body <> old.body
BEGIN
    INSERT INTO note_revisions (note_id, title, body, reason)
    VALUES (
        new.id,
        old.title,
        old.body,
        CASE
            WHEN new.body = old.body THEN 'renamed; text unchanged'
            ELSE 'edited; earlier text kept'
        END
    );

    -- The newest 20 stay; the rest would only grow the file.
    DELETE FROM note_revisions
    WHERE note_id = new.id
      AND id NOT IN (
          SELECT id FROM note_revisions
          WHERE note_id = new.id
          ORDER BY id DESC
          LIMIT 20
      );
END;
