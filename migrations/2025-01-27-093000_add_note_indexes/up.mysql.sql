-- Opening a notebook and the quick switcher scanned all notes; give them indexes.
-- One statement reads the table once, and makes all of them or none.
ALTER TABLE notes
    ADD INDEX notes_title_idx (title),
    ADD INDEX notes_pinned_idx (notebook_id, is_pinned, trashed_at, updated_at DESC),
    ADD INDEX notes_trash_idx (trashed_at);
