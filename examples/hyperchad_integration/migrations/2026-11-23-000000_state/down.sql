DROP TABLE "state";
