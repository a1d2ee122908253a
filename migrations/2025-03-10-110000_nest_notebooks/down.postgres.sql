-- Back to flat notebooks; nested ones move to the top level. The index and the
-- constraints go with the column.
ALTER TABLE notebooks
    DISABLE TRIGGER notebooks_touch,
    ALTER COLUMN color DROP NOT NULL,
    ALTER COLUMN color DROP DEFAULT,
    DROP COLUMN parent_id;

UPDATE notebooks SET color = NULL WHERE color = '#808080';

ALTER TABLE notebooks ENABLE TRIGGER notebooks_touch;
