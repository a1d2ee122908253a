-- Back to flat notebooks; nested ones move to the top level.
DROP TRIGGER notebooks_check_update;
DROP TRIGGER notebooks_check_insert;
DROP TRIGGER notebooks_touch;

ALTER TABLE notebooks
    DROP FOREIGN KEY notebooks_parent_fk,
    DROP INDEX notebooks_parent_idx,
    DROP COLUMN parent_id,
    MODIFY COLUMN color VARCHAR(32);

UPDATE notebooks SET color = NULL WHERE color = '#808080';

CREATE TRIGGER notebooks_touch
BEFORE UPDATE ON notebooks
FOR EACH ROW
SET NEW.updated_at = IF(
    NEW.updated_at = OLD.updated_at
        AND NOT (CAST(NEW.name AS BINARY) <=> CAST(OLD.name AS BINARY) AND NEW.color <=> OLD.color),
    utc_timestamp(),
    NEW.updated_at
);
