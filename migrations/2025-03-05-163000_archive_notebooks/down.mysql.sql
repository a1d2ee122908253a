DROP PROCEDURE archive_notebook;
ALTER TABLE notebooks
    DROP INDEX notebooks_active_idx,
    DROP COLUMN archived_at;
