-- Files attached to a note are stored in the database, so that a backup is one file.
CREATE TABLE attachments (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    note_id     BIGINT UNSIGNED NOT NULL,
    file_name   VARCHAR(255) NOT NULL,
    media_type  VARCHAR(255) NOT NULL DEFAULT 'application/octet-stream',
    content     LONGBLOB NOT NULL,
    byte_size   BIGINT UNSIGNED GENERATED ALWAYS AS (octet_length(content)) VIRTUAL,
    uploaded_at DATETIME,
    created_at  DATETIME NOT NULL DEFAULT (utc_timestamp()),
    PRIMARY KEY (id),
    KEY attachments_note_idx (note_id),
    -- The upload queue: the rows that still wait come first, the oldest before the others.
    KEY attachments_pending_idx (uploaded_at, created_at),
    CONSTRAINT attachments_note_fk FOREIGN KEY (note_id) REFERENCES notes (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
