// The engine inside the package, over a driver of JavaScript: the engine in machine code is in no registry.
import { PrismaLibSQL } from "@prisma/adapter-libsql";

export default {
  schema: "schema.prisma",
  engine: "js",
  experimental: { adapter: true },
  adapter: async () => new PrismaLibSQL({ url: `file:${process.env.DATABASE}` }),
  migrations: { path: process.env.MIGRATIONS },
};
