import { accessCookie, ask, post } from "./http.js";
import { MAIN } from "./servers.js";
import { PASSWORD, expect, freshName, test } from "./support.js";

/** Addresses of other sites, and strings that a browser may normalise to one. */
const ELSEWHERE = [
  "//evil.example",
  "///evil.example",
  "////evil.example/%2e%2e",
  "/\\evil.example",
  "\\\\evil.example",
  "\\/evil.example",
  "/\t/evil.example",
  "/\n/evil.example",
  "/\r\nLocation: https://evil.example",
  "\u0000//evil.example",
  " //evil.example",
  "https:evil.example",
  "https:/evil.example",
  "https://evil.example/",
  "HTTPS://evil.example/",
  `${MAIN}@evil.example/`,
  `${MAIN}.evil.example/`,
  "javascript:alert(1)",
  "java\nscript:alert(1)",
  "data:text/html,hello",
  "evil.example",
  "@evil.example",
  "%2F%2Fevil.example",
  "/%09/evil.example",
  "/%5Cevil.example",
  "／／evil.example",
  "/．/evil.example",
];

/** Returns the origin to which a browser follows this location. */
const origin = (location: string | undefined) => new URL(location ?? "", MAIN).origin;

test("signing in, signing up and opening these pages when signed in never redirect to another site", async () => {
  const username = freshName();
  const signedUp = await post("/api/sign_up", { username, password: PASSWORD });
  expect(signedUp.status).toBe(303);
  const [cookie] = (accessCookie(signedUp) ?? "").split(";");

  for (const next of ELSEWHERE) {
    const query = `?next=${encodeURIComponent(next)}`;
    const answers = {
      "signing in": await post("/api/log_in", { username, password: PASSWORD, next }),
      "signing up": await post("/api/sign_up", { username: freshName(), password: PASSWORD, next }),
      "at the sign-in page, signed in": await ask("GET", `/login${query}`, { accept: "text/html", cookie }),
      "at the sign-up page, signed in": await ask("GET", `/signup${query}`, { accept: "text/html", cookie }),
      "a wrong password": await post("/api/log_in", { username, password: "wrong password", next }),
    };
    for (const [when, answer] of Object.entries(answers)) {
      const where = `${when}, ${JSON.stringify(next)}: ${answer.headers.location}`;
      expect(answer.status, where).toBe(303);
      expect(answer.headers.location, where).toMatch(/^\/(?![/\\])/);
      expect(origin(answer.headers.location), where).toBe(MAIN);
    }
  }
});

test("neither form contains an address of another site", async () => {
  for (const next of ELSEWHERE) {
    for (const page of ["/login", "/signup"]) {
      const { status, body } = await ask("GET", `${page}?next=${encodeURIComponent(next)}`, { accept: "text/html" });
      expect(status).toBe(200);
      const [, carried] = body.match(/name="next" value="([^"]*)"/) ?? [];
      expect(origin(carried), `${page}, ${JSON.stringify(next)}: ${carried}`).toBe(MAIN);
      expect(carried, JSON.stringify(next)).toMatch(/^\/(?![/\\])/);
      for (const [, link] of body.matchAll(/(?:href|action)="([^"]*)"/g)) expect(origin(link), `${page}, ${JSON.stringify(next)}`).toBe(MAIN);
    }
  }
});

test("a path on this site is kept with its query", async () => {
  const username = freshName();
  for (const next of ["/account", "/docs", "/dashboard?tab=a%2Fb&x=//y"]) {
    const answer = await post("/api/sign_up", { username: freshName(username.slice(0, 8)), password: PASSWORD, next });
    expect(answer.headers.location).toBe(next);
  }
});
