import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SIGNING } from "./servers.js";
import { PASSWORD, expect, freshName, test } from "./support.js";

const PORT = 3219;

/** The source of the service, as it is in docs/VERIFYING.md. */
const [, source] = /```js\n([\s\S]*?)```/.exec(readFileSync("../docs/VERIFYING.md", "utf8")) ?? [];

test("the service of docs/VERIFYING.md verifies our tokens with the published key", async () => {
  const folder = mkdtempSync(join(tmpdir(), "service-"));
  writeFileSync(join(folder, "service.mjs"), source);
  const service = spawn(process.execPath, [join(folder, "service.mjs")], { env: { ISSUER: SIGNING, PORT: String(PORT) }, stdio: "inherit" });
  try {
    const username = freshName();
    const json = { accept: "application/json" };
    await fetch(`${SIGNING}/api/sign_up`, { method: "POST", headers: json, body: new URLSearchParams({ username, password: PASSWORD }) });
    const answer = await fetch(`${SIGNING}/token`, { method: "POST", body: new URLSearchParams({ username, password: PASSWORD }) });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    const ask = async (authorization: string) => {
      const greeting = await fetch(`http://127.0.0.1:${PORT}/`, { headers: { authorization } });
      return [greeting.status, await greeting.json()];
    };
    await expect.poll(() => ask(`Bearer ${token}`).catch(() => "not up yet")).toEqual([200, { hello: username, roles: [expect.any(String)] }]);

    const [header, claims, signature] = token.split(".");
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
    for (const bad of ["", "x", "..", `${none}.${claims}.`, `${header}.${claims}.`, `${header}.${claims}x.${signature}`, `${header}.${claims}.${signature.slice(1)}`]) {
      expect(await ask(`Bearer ${bad}`)).toEqual([401, { detail: "Not authenticated" }]);
    }
  } finally {
    service.kill();
    await once(service, "exit");
    rmSync(folder, { recursive: true });
  }
});
