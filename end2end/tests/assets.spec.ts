import { readFileSync } from "node:fs";
import { get } from "node:http";
import { resolve } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { ask } from "./http.js";
import { MAIN } from "./servers.js";
import { expect, hydrated, test } from "./support.js";

type Answer = { status: number; headers: Record<string, string | string[] | undefined>; body: Buffer };

/** Fetches a path and returns the body as it was sent, without decompressing it. */
function fetchRaw(path: string, encoding = "br"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(`${MAIN}${path}`, { headers: { "accept-encoding": encoding, accept: "text/html" } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    }).on("error", reject);
  });
}

/** Returns the addresses of the assets that a page links to. */
const linked = (html: string) => [...html.matchAll(/(?:href|src|data-wasm)="(\/assets\/[^"]+)"/g)].map((match) => match[1]);

test("the sign-in page loads at most 60 KB of WASM", async () => {
  const page = await fetchRaw("/login");
  const html = page.body.toString();
  const assets = linked(html);
  expect(assets).toHaveLength(5);
  const rows = [{ file: "HTML", raw: page.body.length, sent: page.body.length }];
  for (const path of assets) {
    const answer = await fetchRaw(path);
    expect(answer.status).toBe(200);
    expect(answer.headers["content-encoding"]).toBe("br");
    expect(answer.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
    expect(answer.headers.vary).toContain("accept-encoding");
    const types: Record<string, string> = {
      svg: "image/svg+xml; charset=utf-8",
      css: "text/css; charset=utf-8",
      js: "text/javascript; charset=utf-8",
      wasm: "application/wasm",
    };
    expect(answer.headers["content-type"]).toBe(types[path.split(".").pop() ?? ""]);
    rows.push({ file: path.replace(/\.[0-9a-f]{16}/, ""), raw: brotliDecompressSync(answer.body).length, sent: answer.body.length });
  }
  console.table(rows);
  const wasm = rows.find(({ file }) => file.endsWith(".wasm"));
  expect(wasm?.sent).toBeLessThanOrEqual(60_000);
});

test("the sign-in page loads only the assets that its HTML links to", async ({ page }) => {
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url().slice(MAIN.length)));
  await page.goto("/login", { waitUntil: "networkidle" });
  await hydrated(page);
  const weighed = linked((await fetchRaw("/login")).body.toString());
  expect(asked.filter((path) => !["/login", ...weighed].includes(path))).toEqual([]);
  expect(asked).toContainEqual(expect.stringMatching(/\.wasm$/));
});

test("assets are served only at addresses with a hash of their content", async () => {
  for (const path of ["/assets/pkg/latchkey.wasm", "/assets/boot.js", "/assets/pkg/latchkey.css.br", "/assets/", "/assets"]) {
    expect((await ask("GET", path)).status, path).toBe(404);
  }
});

/** Private files that may lie beside a server or its source. */
const PRIVATE = [
  ".git/HEAD",
  ".git/config",
  ".gitignore",
  ".env",
  "Cargo.toml",
  "Cargo.lock",
  "secret",
  "data/secret",
  "latchkey.db",
  "latchkey.db-wal",
  "data/latchkey.db",
  "src/main.rs",
  "migrations/0001_accounts.sql",
  "proc/self/environ",
  "etc/passwd",
];

/** The ways in which an attacker may ask for a file, hoping that a proxy or the server interprets the path differently. */
const WAYS: ((file: string) => string)[] = [
  (file) => `/${file}`,
  (file) => `//${file}`,
  (file) => `/${file}/`,
  (file) => `/${file}.br`,
  (file) => `/%${file.charCodeAt(0).toString(16)}${file.slice(1)}`,
  (file) => `/${file.replaceAll("/", "%2f").replaceAll(".", "%2E")}`,
  (file) => `/data/../${file}`,
  ...["/assets", "/assets/pkg"].flatMap((below) => [
    (file: string) => `${below}/${file}`,
    (file: string) => `${below}//${file}`,
    ...["..", "../..", "../../..", "../../../../../../.."].flatMap((up) => [
      (file: string) => `${below}/${up}/${file}`,
      (file: string) => `${below}/${up.replaceAll(".", "%2e")}/${file}`,
      (file: string) => `${below}/${`${up}/${file}`.replaceAll("/", "%2f")}`,
      (file: string) => `${below}/${`${up}/${file}`.replaceAll("/", "%5c")}`,
      (file: string) => `${below}/${`${up}/${file}`.replaceAll(".", "%252e")}`,
    ]),
  ]),
];

for (const file of PRIVATE) {
  test(`files outside the program are not served, however the path is written: ${file}`, async () => {
    const { body: absent } = await ask("GET", "/nothing-of-this-name");
    for (const way of WAYS) {
      // `ask` sends the path exactly as written.
      const answer = await ask("GET", way(file));
      expect(answer.status, way(file)).toBe(404);
      if (!way(file).startsWith("/assets")) expect(answer.body, way(file)).toBe(absent);
    }
  });
}

/** Fetches every file that a page loads, and every file that those files load, all uncompressed. */
async function served(): Promise<{ path: string; headers: Answer["headers"]; body: Buffer }[]> {
  const found = new Set<string>();
  for (const page of ["/", "/login", "/signup", "/docs", "/nowhere"]) linked((await fetchRaw(page)).body.toString()).forEach((path) => found.add(path));
  const files = [];
  for (const path of found) {
    const { headers, body } = await fetchRaw(path, "identity");
    files.push({ path, headers, body });
    for (const [another] of body.toString("latin1").matchAll(/\/assets\/[\w./-]+/g)) found.add(another);
  }
  return files;
}

/** Words that occur in the server's code and must not occur in files for the browser. */
const OF_THE_SERVER = [
  ...["SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE users", "CREATE TABLE", "sqlx", "sqlite", "password_hash"],
  ...["LATCHKEY_", "argon2id", "HS256", "EdDSA", "hkdf", "aws_lc", "zxcvbn", "axum"],
];

test("files for the browser contain nothing of the server", async () => {
  const files = await served();
  expect(files.map(({ path }) => path.replace(/\.[0-9a-f]{16}\./, ".").replace("/assets/", "")).sort()).toEqual([
    ...["boot.js", "favicon.svg", "pkg/latchkey.css", "pkg/latchkey.js", "pkg/latchkey.wasm", "try.js"],
  ]);
  for (const { path, body } of files) {
    const text = body.toString("latin1");
    for (const word of OF_THE_SERVER) expect(text.includes(word), `${word} in ${path}`).toBe(false);
  }
  // The program must contain them, so that a word that changes there also changes in this list.
  const program = readFileSync(process.env.TEST_BINARY ?? "../target/release/latchkey");
  for (const word of OF_THE_SERVER) expect(program.includes(word), word).toBe(true);
});

test("there are no source maps or debug sections", async () => {
  for (const { path, headers, body } of await served()) {
    expect(body.includes("sourceMappingURL"), path).toBe(false);
    expect([headers.sourcemap, headers["x-sourcemap"]], path).toEqual([undefined, undefined]);
    for (const map of [`${path}.map`, path.replace(/\.[0-9a-f]{16}\./, "."), `${path.replace(/\.[0-9a-f]{16}\./, ".")}.map`]) {
      expect((await ask("GET", map)).status, map).toBe(404);
    }
    if (path.endsWith(".wasm")) {
      const module = await WebAssembly.compile(new Uint8Array(body));
      for (const section of ["name", ".debug_info", ".debug_line", ".debug_str", "external_debug_info"]) {
        expect(WebAssembly.Module.customSections(module, section), section).toHaveLength(0);
      }
    }
  }
});

test("files for the browser do not contain the path of the source", async () => {
  const source = resolve("..");
  for (const { path, body } of await served()) expect(body.includes(source), path).toBe(false);
});

test("an asset is sent uncompressed if the client accepts no compression", async () => {
  const html = (await fetchRaw("/login")).body.toString();
  const [css] = html.match(/\/assets\/pkg\/latchkey\.[0-9a-f]+\.css/) ?? [];
  const plain = await fetchRaw(css ?? "", "identity");
  expect(plain.headers["content-encoding"]).toBeUndefined();
  expect(plain.body.toString()).toContain("@layer");
});
