-- A column can be dropped only when no index or trigger names it.
DROP TRIGGER notebooks_archive_nested;
DROP INDEX notebooks_active_idx;
ALTER TABLE notebooks DROP COLUMN archived_at;
