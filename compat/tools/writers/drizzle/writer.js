// node writer.js <migrations> <url>: what a program with drizzle-orm does at its start.
const [migrationsFolder, url] = process.argv.slice(2);
const driver = { "file:": "libsql", "postgres:": "node-postgres", "mysql:": "mysql2" }[new URL(url).protocol];
const { drizzle } = await import(`drizzle-orm/${driver}`);
const { migrate } = await import(`drizzle-orm/${driver}/migrator`);

const db = drizzle(url);
await migrate(db, { migrationsFolder });
await db.$client.end?.();
