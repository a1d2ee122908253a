-- The notes themselves. Deleting a notebook deletes the notes in it.
CREATE TABLE notes (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    uuid        CHAR(36) CHARACTER SET ascii NOT NULL DEFAULT (uuid()),
    notebook_id BIGINT UNSIGNED NOT NULL,
    title       VARCHAR(255) NOT NULL DEFAULT '',
    body        MEDIUMTEXT NOT NULL DEFAULT (''),
    is_pinned   BOOLEAN NOT NULL DEFAULT FALSE CHECK (is_pinned IN (0, 1)),
    trashed_at  DATETIME,
    created_at  DATETIME NOT NULL DEFAULT (utc_timestamp()),
    updated_at  DATETIME NOT NULL DEFAULT (utc_timestamp()),
    PRIMARY KEY (id),
    UNIQUE KEY notes_uuid_key (uuid),
    KEY notes_notebook_idx (notebook_id),
    CONSTRAINT notes_notebook_fk FOREIGN KEY (notebook_id) REFERENCES notebooks (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TRIGGER notes_touch
BEFORE UPDATE ON notes
FOR EACH ROW
SET NEW.updated_at = IF(
    NEW.updated_at = OLD.updated_at
        AND (CAST(NEW.title AS BINARY) <> CAST(OLD.title AS BINARY)
            OR CAST(NEW.body AS BINARY) <> CAST(OLD.body AS BINARY)),
    utc_timestamp(),
    NEW.updated_at
);
