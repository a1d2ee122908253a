-- The index goes with its column.
DROP TRIGGER notebooks_archive_nested ON notebooks;
DROP FUNCTION archive_nested_notebooks();
ALTER TABLE notebooks DROP COLUMN archived_at;
