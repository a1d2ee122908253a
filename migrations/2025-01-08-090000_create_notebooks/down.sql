-- The index and the trigger go with the table.
DROP TABLE notebooks;
