-- Notes can now be ordered by hand. Number the existing ones 1, 2, 3, ... within
-- each notebook, in the order in which they have been shown so far.
ALTER TABLE notes ADD COLUMN position INTEGER NOT NULL DEFAULT 0;

WITH ranked AS (
    SELECT
        id,
        row_number() OVER (
            PARTITION BY notebook_id
            ORDER BY is_pinned DESC, created_at, id
        ) AS position
    FROM notes
)
UPDATE notes
SET position = ranked.position
FROM ranked
WHERE notes.id = ranked.id;

CREATE INDEX notes_position_idx ON notes (notebook_id, position);
