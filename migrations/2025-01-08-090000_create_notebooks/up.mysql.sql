-- Every note lives in exactly one notebook, so notebooks come first.
-- The uuid identifies a row across devices; the integer id is local.
-- Times are UTC, whatever the time zone of the session is.
CREATE TABLE notebooks (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    uuid       CHAR(36) CHARACTER SET ascii NOT NULL DEFAULT (uuid()),
    name       VARCHAR(255) NOT NULL,
    color      VARCHAR(32),
    created_at DATETIME NOT NULL DEFAULT (utc_timestamp()),
    updated_at DATETIME NOT NULL DEFAULT (utc_timestamp()),
    PRIMARY KEY (id),
    UNIQUE KEY notebooks_uuid_key (uuid),
    -- The collation does not tell upper from lower case.
    KEY notebooks_name_idx (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

-- Names are compared as bytes: writing "work" as "Work" is an edit too.
CREATE TRIGGER notebooks_touch
BEFORE UPDATE ON notebooks
FOR EACH ROW
SET NEW.updated_at = IF(
    NEW.updated_at = OLD.updated_at
        AND NOT (CAST(NEW.name AS BINARY) <=> CAST(OLD.name AS BINARY) AND NEW.color <=> OLD.color),
    utc_timestamp(),
    NEW.updated_at
);
