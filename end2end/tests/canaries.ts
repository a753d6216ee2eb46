import { appendFileSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const RESULTS = resolve("test-results");
/** The logs of the servers of this run, one file per server. */
export const LOGS = join(RESULTS, "logs");
/** Secret values that the tests typed or received, which must not appear in a log. */
const CANARIES = join(RESULTS, "canaries");

/** A secret value, and a description of it for the report. */
export type Canary = { what: string; value: string };

/** Every secret token and cookie ends with a MAC or a signature of at least this many characters. */
export const TAIL = 43;

/** Shorter values are refused as passwords, and may be common words that occur in any log. */
const SHORTEST_PASSWORD = 8;

function note(canary: Canary) {
  mkdirSync(CANARIES, { recursive: true });
  // Each worker has its own file, so that lines do not get mixed.
  appendFileSync(join(CANARIES, `${process.pid}.jsonl`), `${JSON.stringify(canary)}\n`);
}

/** Notes the passwords and email addresses of a form that is sent to a server. */
export function noteForm(body: string | null) {
  for (const [name, value] of new URLSearchParams(body ?? "")) {
    const password = name.includes("password") && value.length >= SHORTEST_PASSWORD;
    if (password || (name === "email" && value)) note({ what: name, value });
  }
}

/** Notes the secret part of one of the app's cookies. */
export function noteCookie(name: string, value: string) {
  if (name.startsWith("latchkey") && value) note({ what: `cookie ${name}`, value: value.slice(-TAIL) });
}

/** Notes the secret part of the cookie in a `Set-Cookie` header. */
export function noteSetCookie(header: string) {
  const [, name, value] = header.match(/^([^=]+)=([^;]*)/) ?? [];
  noteCookie(name ?? "", value ?? "");
}

/** Returns everything that was noted in this run, without duplicates. */
export function noted(): Canary[] {
  const lines = readdirSync(CANARIES).flatMap((file) => readFileSync(join(CANARIES, file), "utf8").split("\n"));
  return [...new Set(lines)].filter(Boolean).map((line) => JSON.parse(line) as Canary);
}
