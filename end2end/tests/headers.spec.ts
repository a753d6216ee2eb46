import { type Answer, accessCookie, ask, post } from "./http.js";
import { MAIN } from "./servers.js";
import { PASSWORD, expect, freshName, test } from "./support.js";

const html = { accept: "text/html" };
const form = "application/x-www-form-urlencoded";

/** One request for each kind of answer that the program gives: name, expected status, request. */
const ANSWERS: [string, number, (cookie: string) => Promise<Answer>][] = [
  ["home", 200, () => ask("GET", "/", html)],
  ["sign-in page", 200, () => ask("GET", "/login", html)],
  ["sign-up page", 200, () => ask("GET", "/signup", html)],
  ["API page", 200, () => ask("GET", "/docs", html)],
  ["dashboard, signed in", 200, (cookie) => ask("GET", "/dashboard", { ...html, cookie })],
  ["sessions, signed in", 200, (cookie) => ask("GET", "/sessions", { ...html, cookie })],
  ["events, anonymous", 401, () => ask("GET", "/session/events")],
  ["keys", 200, () => ask("GET", "/.well-known/jwks.json")],
  ["metadata", 200, () => ask("GET", "/.well-known/oauth-authorization-server")],
  ["nothing to revoke", 400, () => ask("POST", "/revoke", { "content-type": form })],
  ["introspection, anonymous", 401, () => ask("POST", "/introspect", { "content-type": form }, "token=x")],
  ["account, signed in", 200, (cookie) => ask("GET", "/account", { ...html, cookie })],
  ["HEAD of a page", 200, () => ask("HEAD", "/login", html)],
  ["guarded page, anonymous", 303, () => ask("GET", "/dashboard", html)],
  ["a refused form", 303, () => post("/api/log_in", { username: "nobody.here", password: "wrong password" })],
  ["a refused form as JSON", 401, () => post("/api/log_in", { username: "nobody.here", password: "wrong password" }, { accept: "application/json" })],
  ["unusable fields as JSON", 422, () => post("/api/sign_up", { username: "a b", password: "short" }, { accept: "application/json" })],
  ["not found, as a page", 404, () => ask("GET", "/nowhere", html)],
  ["not found, as JSON", 404, () => ask("GET", "/nowhere", { accept: "application/json" })],
  ["no such asset", 404, () => ask("GET", "/assets/nothing.js")],
  ["an asset name that is not UTF-8", 404, () => ask("GET", "/assets/%ff")],
  ["wrong method", 405, () => ask("DELETE", "/me")],
  ["TRACE", 405, () => ask("TRACE", "/")],
  ["another site's post", 403, () => post("/api/log_in", { username: "a", password: "b" }, { origin: "https://evil.example" })],
  ["a foreign host", 421, () => ask("GET", "/", { ...html, host: "evil.example" })],
  ["wrong content type", 415, () => ask("POST", "/token", { "content-type": "text/plain" }, "x")],
  // The body is only announced and not sent, because the answer comes before the body is read and would race with sending it.
  ["too large", 413, () => ask("POST", "/token", { "content-type": form, "content-length": 1_000_000 })],
  ["an empty form", 400, () => ask("POST", "/token", { "content-type": form })],
  ["wrong password", 400, () => ask("POST", "/token", { "content-type": form }, "username=nobody.here&password=wrong+password")],
  ["no token", 401, () => ask("GET", "/protected")],
  ["a bad token", 401, () => ask("GET", "/me", { authorization: "Bearer bad" })],
  ["the OpenAPI description", 200, () => ask("GET", "/openapi.json")],
  ["alive", 200, () => ask("GET", "/health/live")],
  ["ready", 200, () => ask("GET", "/health/ready")],
];

/** Checks the headers that every answer must have. */
function expectSecurityHeaders({ headers }: Answer, of: string) {
  const policy = String(headers["content-security-policy"]);
  const directives = Object.fromEntries(
    policy.split(";").map((directive) => {
      const [name, ...sources] = directive.trim().split(/\s+/);
      return [name, sources.join(" ")];
    }),
  );
  expect(policy, of).not.toMatch(/unsafe-(inline|hashes)|'unsafe-eval'|\*|https?:|data:|blob:/);
  expect(directives, of).toMatchObject({ "default-src": "'none'", "frame-ancestors": "'none'", "base-uri": "'none'", "form-action": "'self'" });
  expect(directives["script-src"], of).toContain("'self'");
  expect(headers, of).toMatchObject({
    "x-content-type-options": "nosniff",
    "referrer-policy": expect.stringMatching(/^(same-origin|no-referrer|strict-origin)$/),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": expect.stringContaining("camera=()"),
  });
  expect(headers["strict-transport-security"], `${of}: only on https`).toBeUndefined();
  for (const name of ["server", "x-powered-by", "access-control-allow-origin"]) expect(headers[name], `${of}: ${name}`).toBeUndefined();
}

let cookie = "";

test.beforeAll(async () => {
  const answer = await post("/api/sign_up", { username: freshName(), password: PASSWORD });
  [cookie] = (accessCookie(answer) ?? "").split(";");
  expect(cookie).toMatch(/^latchkey=./);
});

for (const [name, status, request] of ANSWERS) {
  test(`every answer has the security headers: ${name}, ${status}`, async () => {
    const answer = await request(cookie);
    expect(answer.status).toBe(status);
    expectSecurityHeaders(answer, name);
    expect(answer.headers["cache-control"]).toBe("no-store");
  });
}

test("assets have the security headers too, and only assets are cacheable", async () => {
  const { body } = await ask("GET", "/login", html);
  const assets = [...body.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map((match) => match[1]);
  expect(assets.length).toBeGreaterThan(3);
  for (const path of assets) {
    for (const method of ["GET", "HEAD"]) {
      const answer = await ask(method, path);
      expect(answer.status).toBe(200);
      expectSecurityHeaders(answer, path);
      expect(answer.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
      expect(answer.headers["set-cookie"]).toBeUndefined();
    }
  }
});

test("the access cookie is HttpOnly and SameSite, and is removed at sign-out", async () => {
  const signedIn = await post("/api/sign_up", { username: freshName(), password: PASSWORD });
  const set = accessCookie(signedIn) ?? "";
  const [value, ...attributes] = set.split("; ");
  expect(value).toMatch(/^latchkey=[\w-]+\.[\w-]+\.[\w-]+$/);
  // There is no `Secure`, because this is plain HTTP on loopback. There is no `Domain`, so the cookie is for this host only.
  expect(attributes.sort()).toEqual(["HttpOnly", "Max-Age=900", "Path=/", "SameSite=Lax"]);

  const signedOut = await post("/api/log_out", {}, { cookie: value, referer: `${MAIN}/dashboard` });
  expect(signedOut.status).toBe(303);
  expect(accessCookie(signedOut)).toMatch(/^latchkey=; .*Max-Age=0/);
});
