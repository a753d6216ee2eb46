import { createReadStream, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "@playwright/test";
import { type Canary, LOGS, TAIL, noteCookie, noteForm, noted } from "./canaries.js";
import { MAIN } from "./servers.js";
import { PASSWORD, freshName } from "./support.js";

// Runs after all other tests, see playwright.config.ts.

/** Patterns of secrets. They also find secrets that were not noted, such as those of API clients, other browsers or a shell. */
const SHAPES: [string, RegExp][] = [
  ["an access token", /eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{43}/],
  ["a refresh token or a device cookie", /A[Qg]G[\w-]{68}/],
  ["a flash cookie", /eyJ1bnRpbCI6[\w-]{10,}\.[\w-]{43}/],
  ["a password's hash", /\$argon2|\$2[aby]\$/],
  ["an email address", /[\w.+-]+(?:@|%40)[\w-]+\.\w/],
];

/** Returns the forms in which a log could contain a value: as it is, escaped for JSON or a URL, or byte by byte. */
function forms(value: string): string[] {
  const escaped = JSON.stringify(value).slice(1, -1);
  const bytes = [...Buffer.from(value)];
  return [
    value,
    escaped,
    JSON.stringify(escaped).slice(1, -1),
    encodeURIComponent(value),
    new URLSearchParams({ value }).toString().slice("value=".length),
    Buffer.from(value).toString("hex"),
    bytes.join(", "),
    bytes.join(","),
  ];
}

const literally = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Returns a function that describes the secrets in a line without showing them. */
function searcher(canaries: Canary[]): (line: string) => string[] {
  const tails = new Map(canaries.filter(({ what }) => what.startsWith("cookie")).map(({ what, value }) => [value, what]));
  const typed = new Map(canaries.filter(({ value }) => !tails.has(value)).flatMap(({ what, value }) => forms(value).map((form) => [form, what])));
  const anyTyped = new RegExp([...typed.keys()].map(literally).join("|"), "g");
  return (line) => {
    const found = SHAPES.filter(([, shape]) => shape.test(line)).map(([what]) => what);
    for (const [form] of line.matchAll(anyTyped)) found.push(`what was typed as ${typed.get(form)}`);
    for (const [run] of line.matchAll(/[\w-]{43,}/g)) {
      for (let at = 0; at + TAIL <= run.length; at++) {
        const what = tails.get(run.slice(at, at + TAIL));
        if (what) found.push(`the end of ${what}`);
      }
    }
    return found;
  };
}

/** Returns every place in a file that contains a secret. */
async function search(file: string, find: (line: string) => string[]): Promise<string[]> {
  const places: string[] = [];
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    number++;
    for (const what of new Set(find(line))) places.push(`${file}:${number}: ${what}`);
  }
  return places;
}

/** Signs up, then signs in with a wrong password, and so receives every kind of cookie. */
async function everyCookie(): Promise<Record<string, string>> {
  const post = async (path: string, fields: Record<string, string>) => {
    const body = new URLSearchParams(fields).toString();
    noteForm(body);
    const headers = { accept: "text/html", origin: MAIN, "content-type": "application/x-www-form-urlencoded" };
    const answer = await fetch(`${MAIN}${path}`, { method: "POST", redirect: "manual", headers, body });
    return answer.headers.getSetCookie().map((cookie) => cookie.split(";")[0]?.split("=") as [string, string]);
  };
  const username = freshName();
  const email = `${username}@example.org`;
  const cookies = [
    ...(await post("/api/sign_up", { username, password: PASSWORD, email })),
    ...(await post("/api/log_in", { username, password: "another wrong password", email })),
  ];
  for (const cookie of cookies) noteCookie(...cookie);
  return Object.fromEntries(cookies);
}

test("no log of this run contains a password, a token, a cookie or an email address", async () => {
  test.setTimeout(300_000);
  const cookies = await everyCookie();
  const find = searcher([...noted(), { what: "password", value: PASSWORD }, { what: "password", value: "wrong password" }]);

  // Check that the search knows every kind of cookie and would find it.
  expect(Object.keys(cookies).sort()).toEqual(["latchkey", "latchkey-device", "latchkey-flash", "latchkey-refresh"]);
  for (const [name, value] of Object.entries(cookies)) {
    expect(find(`{"cookie":"${value}"}`), `${name} matches a pattern`).toContainEqual(expect.stringMatching(/^an? /));
    expect(find(`..${value.slice(-TAIL)}..`), `${name} was noted`).toContain(`the end of cookie ${name}`);
  }
  for (const form of forms(PASSWORD)) expect(find(`{"body":"password=${form}&next="}`), form).toContain("what was typed as password");

  const files = readdirSync(LOGS).map((file) => join(LOGS, file));
  expect(files.length).toBeGreaterThan(1);
  const found: string[] = [];
  for (const file of files) {
    found.push(...(await search(file, find)));
    const talkative = readFileSync(file, "utf8").includes('"db.statement"');
    expect(talkative, `${file} is a log at level trace`).toBe(true);
  }
  const size = files.reduce((sum, file) => sum + statSync(file).size, 0);
  console.log(`      ${(size / 1e6).toFixed(1)} MB of ${files.length} logs, ${noted().length} values, ${SHAPES.length} shapes`);
  expect(found).toEqual([]);
});
