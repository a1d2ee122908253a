-- Keep what a note said before each edit, so that an edit can be undone later.
CREATE TABLE note_revisions (
    id       BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    note_id  BIGINT UNSIGNED NOT NULL,
    title    VARCHAR(255) NOT NULL,
    body     MEDIUMTEXT NOT NULL,
    reason   VARCHAR(255) NOT NULL,
    saved_at DATETIME NOT NULL DEFAULT (utc_timestamp()),
    PRIMARY KEY (id),
    KEY note_revisions_note_idx (note_id, id),
    CONSTRAINT note_revisions_note_fk FOREIGN KEY (note_id) REFERENCES notes (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

DELIMITER //

CREATE TRIGGER notes_keep_revision
AFTER UPDATE ON notes
FOR EACH ROW
BEGIN
    IF CAST(NEW.title AS BINARY) <> CAST(OLD.title AS BINARY)
        OR CAST(NEW.body AS BINARY) <> CAST(OLD.body AS BINARY)
    THEN
        INSERT INTO note_revisions (note_id, title, body, reason)
        VALUES (
            NEW.id,
            OLD.title,
            OLD.body,
            CASE
                WHEN CAST(NEW.body AS BINARY) = CAST(OLD.body AS BINARY) THEN 'renamed; text unchanged'
                ELSE 'edited; earlier text kept'
            END
        );

        -- The newest 20 stay; the rest would only grow the table. It is read through a
        -- table of its own, since a statement may not read what it deletes from.
        DELETE FROM note_revisions
        WHERE note_id = NEW.id
          AND id < (
              SELECT min(id)
              FROM (
                  SELECT id FROM note_revisions
                  WHERE note_id = NEW.id
                  ORDER BY id DESC
                  LIMIT 20
              ) AS newest
          );
    END IF;
END//

DELIMITER ;
