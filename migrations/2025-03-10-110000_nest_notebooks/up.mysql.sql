-- Notebooks can be nested, and "no color" becomes an explicit grey. Filling that in
-- is no edit, so the trigger that dates edits is away meanwhile.
DROP TRIGGER notebooks_touch;

UPDATE notebooks SET color = '#808080' WHERE color IS NULL;

ALTER TABLE notebooks
    MODIFY COLUMN color VARCHAR(32) NOT NULL DEFAULT '#808080',
    ADD COLUMN parent_id BIGINT UNSIGNED,
    ADD INDEX notebooks_parent_idx (parent_id),
    ADD CONSTRAINT notebooks_parent_fk FOREIGN KEY (parent_id) REFERENCES notebooks (id) ON DELETE CASCADE;

CREATE TRIGGER notebooks_touch
BEFORE UPDATE ON notebooks
FOR EACH ROW
SET NEW.updated_at = IF(
    NEW.updated_at = OLD.updated_at
        AND (CAST(NEW.name AS BINARY) <> CAST(OLD.name AS BINARY) OR NEW.color <> OLD.color),
    utc_timestamp(),
    NEW.updated_at
);

-- A CHECK cannot name an AUTO_INCREMENT column, so triggers keep a notebook out of itself.
DELIMITER //

CREATE TRIGGER notebooks_check_insert
AFTER INSERT ON notebooks
FOR EACH ROW
BEGIN
    IF NEW.parent_id = NEW.id THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a notebook cannot be inside itself';
    END IF;
END//

CREATE TRIGGER notebooks_check_update
BEFORE UPDATE ON notebooks
FOR EACH ROW
BEGIN
    IF NEW.parent_id = NEW.id THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a notebook cannot be inside itself';
    END IF;
END//

DELIMITER ;
