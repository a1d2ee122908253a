-- Notebooks can be nested, and "no color" becomes an explicit grey. Filling that in
-- is no edit: updated_at stays.
ALTER TABLE notebooks DISABLE TRIGGER notebooks_touch;

UPDATE notebooks SET color = '#808080' WHERE color IS NULL;

ALTER TABLE notebooks
    ENABLE TRIGGER notebooks_touch,
    ALTER COLUMN color SET DEFAULT '#808080',
    ALTER COLUMN color SET NOT NULL,
    ADD COLUMN parent_id bigint REFERENCES notebooks (id) ON DELETE CASCADE,
    ADD CONSTRAINT notebooks_parent_check CHECK (parent_id <> id);

CREATE INDEX notebooks_parent_idx ON notebooks (parent_id);
