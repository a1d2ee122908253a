ALTER TABLE notes
    DROP INDEX notes_position_idx,
    DROP COLUMN position;
