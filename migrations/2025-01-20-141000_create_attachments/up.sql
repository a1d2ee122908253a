-- Files attached to a note are stored in the database, so that a backup is one file.
CREATE TABLE attachments (
    id          INTEGER PRIMARY KEY,
    note_id     INTEGER NOT NULL REFERENCES notes (id) ON DELETE CASCADE,
    file_name   TEXT    NOT NULL,
    media_type  TEXT    NOT NULL DEFAULT 'application/octet-stream',
    content     BLOB    NOT NULL,
    byte_size   INTEGER GENERATED ALWAYS AS (length(content)) VIRTUAL,
    uploaded_at INTEGER,
    created_at  INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

CREATE INDEX attachments_note_idx ON attachments (note_id);

-- The upload queue: only the few rows that still wait are in this index.
CREATE INDEX attachments_pending_idx ON attachments (created_at)
WHERE uploaded_at IS NULL;
