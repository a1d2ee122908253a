-- Archiving hides a notebook and all notebooks inside it.
-- Written on a branch before notebooks could be nested and merged after that, so
-- it needs parent_id from a migration with a later timestamp; see metadata.toml.
ALTER TABLE notebooks
    ADD COLUMN archived_at DATETIME,
    ADD INDEX notebooks_active_idx (parent_id, archived_at, name);

DELIMITER //

-- A trigger may not change rows of its own table, so the application calls this;
-- NULL for the moment brings the notebooks back.
CREATE PROCEDURE archive_notebook(IN notebook BIGINT UNSIGNED, IN moment DATETIME)
MODIFIES SQL DATA
BEGIN
    UPDATE notebooks
    JOIN (
        WITH RECURSIVE nested (id) AS (
            SELECT notebook
            UNION
            SELECT child.id
            FROM notebooks AS child
            JOIN nested ON child.parent_id = nested.id
        )
        SELECT id FROM nested
    ) AS hidden ON hidden.id = notebooks.id
    SET notebooks.archived_at = moment;
END//

DELIMITER ;
