-- The index and the trigger go with the table; the function stands by itself.
DROP TABLE notebooks;
DROP FUNCTION touch_updated_at();
