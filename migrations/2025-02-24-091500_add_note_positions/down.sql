-- A column can be dropped only when no index names it.
DROP INDEX notes_position_idx;
ALTER TABLE notes DROP COLUMN position;
