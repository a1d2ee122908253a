-- The index goes with the column.
ALTER TABLE notes DROP COLUMN search;
