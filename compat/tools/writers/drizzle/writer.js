// node writer.js <migrations> <database>: what a program with drizzle-orm does at its start.
import { drizzle } from "drizzle-orm/libsql";
import { migrate } from "drizzle-orm/libsql/migrator";

const [migrationsFolder, database] = process.argv.slice(2);
await migrate(drizzle(`file:${database}`), { migrationsFolder });
