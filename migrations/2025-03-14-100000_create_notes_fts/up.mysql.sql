-- Full-text search over title and body: MATCH (title, body) AGAINST ('...'). The index
-- follows them by itself.
ALTER TABLE notes ADD FULLTEXT INDEX notes_fts (title, body);
