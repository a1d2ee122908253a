-- Full-text search over title and body, in words as they are written: notes are in
-- any language. The column follows title and body by itself. A tsvector holds at most
-- 1 MB, so of a very long note the beginning is found.
ALTER TABLE notes ADD COLUMN search tsvector GENERATED ALWAYS AS (
    setweight(to_tsvector('simple', left(title, 1000)), 'A')
        || setweight(to_tsvector('simple', left(body, 100000)), 'B')
) STORED;

CREATE INDEX notes_fts ON notes USING gin (search);
