import { connect } from "node:net";
import { accessCookie, ask, post } from "./http.js";
import { PASSWORD, expect, freshName, test } from "./support.js";

const MARKER = "data-protected-view";

const PATHS = ["dashboard", "sessions", "account"].flatMap((page) => [
  `/${page}`,
  `/${page}/`,
  `/${page}//`,
  `/x/../${page}`,
  `/login/../${page}`,
  `/assets/../${page}`,
  `//${page}`,
  `/./${page}`,
  `/%2e/${page}`,
  `/%2F${page}`,
  `/%${page.charCodeAt(0).toString(16)}${page.slice(1)}`,
  `/${page};a=b`,
  `/${page}?`,
  `/${page}?a=/login`,
  `/${page}.html`,
  `/${page}%00`,
  `/${page}%20`,
  `/${page.toUpperCase()}`,
  `http://localhost:3210/${page}`,
]);

/** Sends one request with the path exactly as written, because an HTTP client would normalise it. */
function raw(method: string, path: string, accept?: string): Promise<string> {
  const headers = ["Host: localhost:3210", "Content-Length: 0", "Connection: close", ...(accept ? [`Accept: ${accept}`] : [])];
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(3210, "127.0.0.1", () => {
      socket.write(`${method} ${path} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
    });
    socket.on("data", (data) => (answer += data)).on("end", () => resolve(answer)).on("error", reject);
  });
}

for (const path of PATHS) {
  test(`no variant of a path shows the protected view: ${path}`, async () => {
    for (const method of ["GET", "HEAD", "POST", "PUT", "OPTIONS"]) {
      for (const accept of ["text/html", "*/*", undefined]) {
        const answer = await raw(method, path, accept);
        expect(answer, `${method} ${accept}`).toMatch(/^HTTP\/1\.1 (303|308|400|404|405)/);
        expect(answer).not.toContain(MARKER);
        expect(answer).not.toMatch(/set-cookie/i);
      }
    }
  });
}

test("without a session the guard redirects to the sign-in page with the path to return to", async () => {
  for (const [path, location] of [
    ["/dashboard", "/login?next=%2Fdashboard"],
    ["/account?tab=1&x=%2F", "/login?next=%2Faccount%3Ftab%3D1%26x%3D%252F"],
  ]) {
    const answer = await ask("GET", path, { accept: "text/html" });
    expect([answer.status, answer.headers.location]).toEqual([303, location]);
  }
});

test("the protected view is rendered only with a valid session", async () => {
  const username = freshName();
  const [cookie] = (accessCookie(await post("/api/sign_up", { username, password: PASSWORD })) ?? "").split(";");
  const marked = async (path: string, headers: Record<string, string> = {}) =>
    (await ask("GET", path, { accept: "text/html", ...headers })).body.includes(MARKER);
  for (const path of ["/dashboard", "/account"]) expect(await marked(path, { cookie })).toBe(true);
  for (const path of ["/", "/login", "/signup", "/docs", "/nowhere"]) expect(await marked(path)).toBe(false);

  const token = cookie.slice("latchkey=".length);
  const [header, claims, signature] = token.split(".");
  const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
  const changed = Buffer.from(Buffer.from(claims, "base64url").toString().replace(username, "somebody.else")).toString("base64url");
  expect(changed).not.toBe(claims);
  for (const forged of [
    "",
    "x",
    `${header}.${claims}.`,
    `${header}.${claims}`,
    `${none}.${claims}.`,
    `${none}.${claims}.${signature}`,
    `${header}.${changed}.${signature}`,
    `${header}.${claims}.AAAA${signature.slice(4)}`,
  ]) {
    expect(await marked("/dashboard", { cookie: `latchkey=${forged}` }), forged).toBe(false);
  }
  expect(await marked("/dashboard", { cookie: `${cookie}; ${cookie}` })).toBe(false);
  expect(await marked("/dashboard", { authorization: `Bearer ${token}` })).toBe(false);
});
