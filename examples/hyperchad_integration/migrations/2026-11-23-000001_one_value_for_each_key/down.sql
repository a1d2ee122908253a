-- Values that others superseded do not come back.
CREATE TABLE "state_without_key" ("key" TEXT NOT NULL, "value" TEXT NOT NULL);
INSERT INTO "state_without_key" ("key", "value") SELECT "key", "value" FROM "state" ORDER BY rowid;
DROP TABLE "state";
ALTER TABLE "state_without_key" RENAME TO "state";
