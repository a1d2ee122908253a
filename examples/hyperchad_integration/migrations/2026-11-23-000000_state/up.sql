-- The table as `hyperchad_state` makes it. Files that have it already begin behind this migration.
CREATE TABLE "state" ("key" TEXT NOT NULL, "value" TEXT NOT NULL);
