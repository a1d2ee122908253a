-- Notes can now be ordered by hand. Number the existing ones 1, 2, 3, ... within
-- each notebook, in the order in which they have been shown so far.
ALTER TABLE notes
    ADD COLUMN position INT NOT NULL DEFAULT 0,
    ADD INDEX notes_position_idx (notebook_id, position);

UPDATE notes
JOIN (
    SELECT
        id,
        row_number() OVER (
            PARTITION BY notebook_id
            ORDER BY is_pinned DESC, created_at, id
        ) AS place
    FROM notes
) AS ranked ON ranked.id = notes.id
SET notes.position = ranked.place;
