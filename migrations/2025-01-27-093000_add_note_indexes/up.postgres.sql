-- Opening a notebook and the quick switcher scanned all notes; give them indexes.
-- An entry of an index has a limit that a title has not, so its beginning must do.
CREATE INDEX notes_title_idx ON notes (left(lower(title), 200));

CREATE INDEX notes_pinned_idx ON notes (notebook_id, updated_at DESC)
WHERE is_pinned AND trashed_at IS NULL;

CREATE INDEX notes_trash_idx ON notes (trashed_at)
WHERE trashed_at IS NOT NULL;
