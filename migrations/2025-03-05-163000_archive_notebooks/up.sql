-- Archiving hides a notebook and all notebooks inside it.
-- Written on a branch before notebooks could be nested and merged after that, so
-- it needs parent_id from a migration with a later timestamp; see metadata.toml.
ALTER TABLE notebooks ADD COLUMN archived_at INTEGER;

CREATE INDEX notebooks_active_idx ON notebooks (parent_id, name)
WHERE archived_at IS NULL;

CREATE TRIGGER notebooks_archive_nested
AFTER UPDATE OF archived_at ON notebooks
WHEN new.archived_at IS NOT old.archived_at
BEGIN
    UPDATE notebooks
    SET archived_at = new.archived_at
    WHERE id IN (
        WITH RECURSIVE nested (id) AS (
            SELECT id FROM notebooks WHERE parent_id = new.id
            UNION
            SELECT child.id
            FROM notebooks AS child
            JOIN nested ON child.parent_id = nested.id
        )
        SELECT id FROM nested
    );
END;
