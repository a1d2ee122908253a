-- Opening a notebook and the quick switcher scanned all notes; give them indexes.
CREATE INDEX notes_title_idx ON notes (lower(title));

CREATE INDEX notes_pinned_idx ON notes (notebook_id, updated_at DESC)
WHERE is_pinned = 1 AND trashed_at IS NULL;

CREATE INDEX notes_trash_idx ON notes (trashed_at)
WHERE trashed_at IS NOT NULL;
