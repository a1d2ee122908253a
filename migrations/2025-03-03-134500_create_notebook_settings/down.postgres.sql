-- The trigger belongs to notebooks, so it does not go with the table.
DROP TRIGGER notebooks_default_settings ON notebooks;
DROP FUNCTION add_default_settings();
DROP TABLE notebook_settings;
