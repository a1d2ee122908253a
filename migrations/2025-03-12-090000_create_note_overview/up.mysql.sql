-- One row per visible note, as the note list shows it.
CREATE VIEW note_overview AS
SELECT
    notes.id,
    notes.title,
    notebooks.name AS notebook,
    notes.is_pinned,
    notes.position,
    (
        SELECT group_concat(tags.name ORDER BY tags.name SEPARATOR '; ')
        FROM note_tags
        JOIN tags ON tags.id = note_tags.tag_id
        WHERE note_tags.note_id = notes.id
    ) AS tags,
    (SELECT count(*) FROM attachments WHERE attachments.note_id = notes.id) AS attachments,
    notes.updated_at
FROM notes
JOIN notebooks ON notebooks.id = notes.notebook_id
WHERE notes.trashed_at IS NULL
  AND notebooks.archived_at IS NULL;
