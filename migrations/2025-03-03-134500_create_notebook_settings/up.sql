-- View settings per notebook. Existing notebooks get a default row here,
-- new ones get theirs from the trigger, so readers never have to handle a gap.
CREATE TABLE notebook_settings (
    notebook_id INTEGER PRIMARY KEY REFERENCES notebooks (id) ON DELETE CASCADE,
    sort_by     TEXT    NOT NULL DEFAULT 'position'
                CHECK (sort_by IN ('position', 'title', 'updated_at')),
    show_trash  INTEGER NOT NULL DEFAULT 0 CHECK (show_trash IN (0, 1))
) STRICT;

INSERT INTO notebook_settings (notebook_id)
SELECT id FROM notebooks;

CREATE TRIGGER notebooks_default_settings
AFTER INSERT ON notebooks
BEGIN
    INSERT INTO notebook_settings (notebook_id) VALUES (new.id);
END;
