-- Foreign keys are not enforced while a migration runs, so nothing cascades here:
-- delete children first, and leave in place whatever the user's own rows still need.
DELETE FROM note_tags
WHERE note_id IN (
    SELECT id FROM notes WHERE uuid = '00000000-0000-4000-8000-000000000002'
);

DELETE FROM notes
WHERE uuid = '00000000-0000-4000-8000-000000000002';

DELETE FROM notebooks
WHERE uuid = '00000000-0000-4000-8000-000000000001'
  AND NOT EXISTS (SELECT 1 FROM notes WHERE notes.notebook_id = notebooks.id);

DELETE FROM tags
WHERE name IN ('idea', 'reference', 'todo')
  AND NOT EXISTS (SELECT 1 FROM note_tags WHERE note_tags.tag_id = tags.id);
