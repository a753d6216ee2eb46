import { appendFileSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const RESULTS = resolve("test-results");
/** What the servers of this run have to say, a file each. */
export const LOGS = join(RESULTS, "logs");
/** What the tests typed or were given that nobody may find in a log. */
const CANARIES = join(RESULTS, "canaries");

/** A word for the report, and the value that it stands for. */
export type Canary = { what: string; value: string };

/** Whatever opens an account or a session ends in a MAC or a signature, of this many characters at least. */
export const TAIL = 43;

/** Shorter ones are refused as passwords, and are words that occur anywhere. */
const SHORTEST_PASSWORD = 8;

function note(canary: Canary) {
  mkdirSync(CANARIES, { recursive: true });
  // Each worker has a file of its own, so that lines do not get mixed.
  appendFileSync(join(CANARIES, `${process.pid}.jsonl`), `${JSON.stringify(canary)}\n`);
}

/** Notes the passwords and email addresses of a form on its way to a server. */
export function noteForm(body: string | null) {
  for (const [name, value] of new URLSearchParams(body ?? "")) {
    const password = name.includes("password") && value.length >= SHORTEST_PASSWORD;
    if (password || (name === "email" && value)) note({ what: name, value });
  }
}

/** Notes the part of one of our cookies that nobody could guess. */
export function noteCookie(name: string, value: string) {
  if (name.startsWith("latchkey") && value) note({ what: `cookie ${name}`, value: value.slice(-TAIL) });
}

/** The same for a `Set-Cookie` header. */
export function noteSetCookie(header: string) {
  const [, name, value] = header.match(/^([^=]+)=([^;]*)/) ?? [];
  noteCookie(name ?? "", value ?? "");
}

/** All that was noted in this run, each once. */
export function noted(): Canary[] {
  const lines = readdirSync(CANARIES).flatMap((file) => readFileSync(join(CANARIES, file), "utf8").split("\n"));
  return [...new Set(lines)].filter(Boolean).map((line) => JSON.parse(line) as Canary);
}
