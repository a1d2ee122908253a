-- View settings per notebook. Existing notebooks get a default row here,
-- new ones get theirs from the trigger, so readers never have to handle a gap.
CREATE TABLE notebook_settings (
    notebook_id BIGINT UNSIGNED NOT NULL,
    sort_by     VARCHAR(32) NOT NULL DEFAULT 'position'
                CHECK (sort_by IN ('position', 'title', 'updated_at')),
    show_trash  BOOLEAN NOT NULL DEFAULT FALSE CHECK (show_trash IN (0, 1)),
    PRIMARY KEY (notebook_id),
    CONSTRAINT notebook_settings_notebook_fk
        FOREIGN KEY (notebook_id) REFERENCES notebooks (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

INSERT INTO notebook_settings (notebook_id)
SELECT id FROM notebooks;

CREATE TRIGGER notebooks_default_settings
AFTER INSERT ON notebooks
FOR EACH ROW
INSERT INTO notebook_settings (notebook_id) VALUES (NEW.id);
