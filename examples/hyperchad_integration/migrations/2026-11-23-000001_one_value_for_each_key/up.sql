-- Without a key, two programs that set a new key at once both inserted it. An update reaches all rows of a key, so where
-- they differ the last that was inserted is the newest. All of it is one transaction: in between, nobody can insert another.
--
-- The table keeps its row numbers (no WITHOUT ROWID), because `hyperchad_state` may go by them.
CREATE TABLE "state_by_key" ("key" TEXT NOT NULL PRIMARY KEY, "value" TEXT NOT NULL);
INSERT INTO "state_by_key" ("key", "value")
    SELECT "key", "value" FROM "state"
    WHERE rowid IN (SELECT max(rowid) FROM "state" GROUP BY "key")
    ORDER BY rowid;
DROP TABLE "state";
ALTER TABLE "state_by_key" RENAME TO "state";
