-- The trigger belongs to notes, so it does not go with the table.
DROP TRIGGER notes_keep_revision ON notes;
DROP FUNCTION keep_note_revision();
DROP TABLE note_revisions;
