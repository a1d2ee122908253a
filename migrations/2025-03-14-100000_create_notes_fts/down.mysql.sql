ALTER TABLE notes DROP INDEX notes_fts;
