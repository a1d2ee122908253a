-- Tags group notes across notebooks. A tag name is unique in any letter case, by
-- its collation, to which accents do not count either: "resume" is "Résumé".
CREATE TABLE tags (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    name       VARCHAR(255) NOT NULL CHECK (name <> ''),
    created_at DATETIME NOT NULL DEFAULT (utc_timestamp()),
    PRIMARY KEY (id),
    UNIQUE KEY tags_name_key (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE note_tags (
    note_id BIGINT UNSIGNED NOT NULL,
    tag_id  BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (note_id, tag_id),
    KEY note_tags_tag_idx (tag_id),
    CONSTRAINT note_tags_note_fk FOREIGN KEY (note_id) REFERENCES notes (id) ON DELETE CASCADE,
    CONSTRAINT note_tags_tag_fk FOREIGN KEY (tag_id) REFERENCES tags (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
