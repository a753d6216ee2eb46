import { brotliDecompressSync } from "node:zlib";
import { get } from "node:http";
import { MAIN } from "./servers.js";
import { expect, hydrated, test } from "./support.js";

type Answer = { status: number; headers: Record<string, string | string[] | undefined>; body: Buffer };

/** As it comes over the wire, not decompressed. */
function fetchRaw(path: string, encoding = "br"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(`${MAIN}${path}`, { headers: { "accept-encoding": encoding, accept: "text/html" } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    }).on("error", reject);
  });
}

/** The addresses of assets in a page. */
const linked = (html: string) => [...html.matchAll(/(?:href|src|data-wasm)="(\/assets\/[^"]+)"/g)].map((match) => match[1]);

test("the sign-in page is light: at most 60 KB of WASM", async () => {
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

test("the sign-in page loads what was weighed and nothing else", async ({ page }) => {
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url().slice(MAIN.length)));
  await page.goto("/login", { waitUntil: "networkidle" });
  await hydrated(page);
  const weighed = linked((await fetchRaw("/login")).body.toString());
  expect(asked.filter((path) => !["/login", ...weighed].includes(path))).toEqual([]);
  expect(asked).toContainEqual(expect.stringMatching(/\.wasm$/));
});

test("assets have an address by their content only", async () => {
  for (const path of ["/assets/pkg/latchkey.wasm", "/assets/boot.js", "/assets/pkg/latchkey.css.br", "/assets/../Cargo.toml", "/assets/%2e%2e/Cargo.toml", "/assets/"]) {
    expect((await fetchRaw(path)).status).toBe(404);
  }
});

test("without compression an asset comes as it is", async () => {
  const html = (await fetchRaw("/login")).body.toString();
  const [css] = html.match(/\/assets\/pkg\/latchkey\.[0-9a-f]+\.css/) ?? [];
  const plain = await fetchRaw(css ?? "", "identity");
  expect(plain.headers["content-encoding"]).toBeUndefined();
  expect(plain.body.toString()).toContain("@layer");
});
