import { createReadStream, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "@playwright/test";
import { type Canary, LOGS, TAIL, noteCookie, noteForm, noted } from "./canaries.js";
import { MAIN } from "./servers.js";
import { PASSWORD, freshName } from "./support.js";

// Runs by itself once everything else is over, see the configuration.

/** What looks like one of these is one, whoever got it: programs, other browsers, a shell. */
const SHAPES: [string, RegExp][] = [
  ["an access token", /eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{43}/],
  ["a refresh token or a device cookie", /A[Qg]G[\w-]{68}/],
  ["a flash cookie", /eyJ1bnRpbCI6[\w-]{10,}\.[\w-]{43}/],
  ["a password's hash", /\$argon2|\$2[aby]\$/],
  ["an email address", /[\w.+-]+(?:@|%40)[\w-]+\.\w/],
];

/** A value as logs could hold it: as it is, escaped for JSON or an address, or byte by byte. */
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

/** What a line gives away, in words that do not. */
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

/** Every place in a file that gives something away. */
async function search(file: string, find: (line: string) => string[]): Promise<string[]> {
  const places: string[] = [];
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    number++;
    for (const what of new Set(find(line))) places.push(`${file}:${number}: ${what}`);
  }
  return places;
}

/** Somebody signs up and signs in with a typing error: every kind of cookie that there is. */
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

test("nothing that opens an account, and no address of anybody, is in a log of this run", async () => {
  test.setTimeout(300_000);
  const cookies = await everyCookie();
  const find = searcher([...noted(), { what: "password", value: PASSWORD }, { what: "password", value: "wrong password" }]);

  // What is looked for is what there is, and would be found.
  expect(Object.keys(cookies).sort()).toEqual(["latchkey", "latchkey-device", "latchkey-flash", "latchkey-refresh"]);
  for (const [name, value] of Object.entries(cookies)) {
    expect(find(`{"cookie":"${value}"}`), `${name} has a shape that is known`).toContainEqual(expect.stringMatching(/^an? /));
    expect(find(`..${value.slice(-TAIL)}..`), `${name} was noted`).toContain(`the end of cookie ${name}`);
  }
  for (const form of forms(PASSWORD)) expect(find(`{"body":"password=${form}&next="}`), form).toContain("what was typed as password");

  const files = readdirSync(LOGS).map((file) => join(LOGS, file));
  expect(files.length).toBeGreaterThan(1);
  const found: string[] = [];
  for (const file of files) {
    found.push(...(await search(file, find)));
    const talkative = readFileSync(file, "utf8").includes('"db.statement"');
    expect(talkative, `${file} says what a log at its most talkative does`).toBe(true);
  }
  const size = files.reduce((sum, file) => sum + statSync(file).size, 0);
  console.log(`      ${(size / 1e6).toFixed(1)} MB of ${files.length} logs, ${noted().length} values, ${SHAPES.length} shapes`);
  expect(found).toEqual([]);
});
