-- View settings per notebook. Existing notebooks get a default row here,
-- new ones get theirs from the trigger, so readers never have to handle a gap.
CREATE TABLE notebook_settings (
    notebook_id bigint  PRIMARY KEY REFERENCES notebooks (id) ON DELETE CASCADE,
    sort_by     text    NOT NULL DEFAULT 'position'
                CHECK (sort_by IN ('position', 'title', 'updated_at')),
    show_trash  boolean NOT NULL DEFAULT false
);

INSERT INTO notebook_settings (notebook_id)
SELECT id FROM notebooks;

CREATE FUNCTION add_default_settings() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notebook_settings (notebook_id) VALUES (new.id);
    RETURN NULL;
END;
$$;

CREATE TRIGGER notebooks_default_settings
AFTER INSERT ON notebooks
FOR EACH ROW
EXECUTE FUNCTION add_default_settings();
