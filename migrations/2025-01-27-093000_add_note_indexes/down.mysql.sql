ALTER TABLE notes
    DROP INDEX notes_trash_idx,
    DROP INDEX notes_pinned_idx,
    DROP INDEX notes_title_idx;
