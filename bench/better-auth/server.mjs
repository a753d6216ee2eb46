// better-auth on its SQLite adapter. Settings: PORT, FILE (the database), JOURNAL=delete|wal, UPDATE_AGE in seconds.
// Everything else has its default, except for the rate limit, which would refuse the hundredth request and is off.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import Database from "better-sqlite3";

const { PORT, FILE, JOURNAL, UPDATE_AGE } = process.env;
const database = new Database(FILE);
database.pragma(`journal_mode = ${JOURNAL}`);

const options = {
  database,
  baseURL: `http://localhost:${PORT}`,
  secret: "b4a1f3c09d7e52688f10c6de93ab4477",
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  session: UPDATE_AGE ? { updateAge: Number(UPDATE_AGE) } : undefined,
};
await (await getMigrations(options)).runMigrations();
createServer(toNodeHandler(betterAuth(options))).listen(PORT, "127.0.0.1");
