-- A new user should not face an empty app: add a notebook, a note and some tags.
-- What survived an earlier down.sql (or was named the same by the user) is kept.
INSERT INTO notebooks (uuid, name)
VALUES ('00000000-0000-4000-8000-000000000001', 'Welcome')
ON DUPLICATE KEY UPDATE id = id;

INSERT INTO notes (uuid, notebook_id, title, body)
SELECT
    '00000000-0000-4000-8000-000000000002',
    id,
    'Welcome to Notes',
    'Your notes stay on this device; nothing is uploaded until you turn on sync.'
FROM notebooks
WHERE uuid = '00000000-0000-4000-8000-000000000001';

INSERT INTO tags (name)
VALUES ('idea'), ('reference'), ('todo')
ON DUPLICATE KEY UPDATE id = id;

INSERT INTO note_tags (note_id, tag_id)
SELECT notes.id, tags.id
FROM notes
JOIN tags ON tags.name = 'reference'
WHERE notes.uuid = '00000000-0000-4000-8000-000000000002';
