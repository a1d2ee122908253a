-- Archiving hides a notebook and all notebooks inside it.
-- Written on a branch before notebooks could be nested and merged after that, so
-- it needs parent_id from a migration with a later timestamp; see metadata.toml.
ALTER TABLE notebooks ADD COLUMN archived_at timestamptz;

CREATE INDEX notebooks_active_idx ON notebooks (parent_id, name)
WHERE archived_at IS NULL;

-- It fires again for each row that it changes, and then finds nothing left to change.
CREATE FUNCTION archive_nested_notebooks() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE notebooks
    SET archived_at = new.archived_at
    WHERE archived_at IS DISTINCT FROM new.archived_at
      AND id IN (
          WITH RECURSIVE nested (id) AS (
              SELECT id FROM notebooks WHERE parent_id = new.id
              UNION
              SELECT child.id
              FROM notebooks AS child
              JOIN nested ON child.parent_id = nested.id
          )
          SELECT id FROM nested
      );
    RETURN NULL;
END;
$$;

CREATE TRIGGER notebooks_archive_nested
AFTER UPDATE OF archived_at ON notebooks
FOR EACH ROW
WHEN (new.archived_at IS DISTINCT FROM old.archived_at)
EXECUTE FUNCTION archive_nested_notebooks();
