-- The referencing table goes first.
DROP TABLE note_tags;
DROP TABLE tags;
