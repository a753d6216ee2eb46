import { type BrowserContext, type Page, test as base, expect } from "@playwright/test";
import { noteCookie, noteForm } from "./canaries.js";
import { FRESH, MAIN, RENEWING, SHORT } from "./servers.js";

export { expect };

export const PASSWORD = "quiet harbour lantern";

/** Returns a name that is unique in this run. */
export function freshName(prefix = "ada"): string {
  return `${prefix}-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
}

const OURS = [MAIN, SHORT, RENEWING, FRESH.withJavaScript, FRESH.withoutJavaScript];

/** The browser's console message for a page that does not exist. */
const NOT_FOUND = "Failed to load resource: the server responded with a status of 404 (Not Found)";

/** The browser's console message for a request that a test has aborted. */
const KEPT_BACK = "Failed to load resource: net::ERR_FAILED";

/** Records console messages, errors, policy violations and requests to other hosts. */
async function watch(context: BrowserContext, complaints: string[], away: boolean) {
  context.on("console", (message) => {
    const expected = message.text() === NOT_FOUND && /^\/nowhere(\/|$)/.test(new URL(message.location().url, MAIN).pathname);
    if (!expected && !(away && message.text() === KEPT_BACK)) complaints.push(`console ${message.type()}: ${message.text()}`);
  });
  context.on("weberror", (error) => complaints.push(`error: ${error.error().message}`));
  context.on("request", (request) => {
    if (!OURS.includes(new URL(request.url()).origin)) complaints.push(`request to ${request.url()}`);
    noteForm(request.postData());
  });
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`violates ${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
  });
}

export const test = base.extend<{ quiet: void; js: boolean; away: boolean }>({
  /** Whether the test aborts requests, so that the server seems to be unavailable. */
  away: [false, { option: true }],
  js: async ({ javaScriptEnabled }, use) => use(javaScriptEnabled !== false),
  quiet: [
    async ({ context, away }, use) => {
      const complaints: string[] = [];
      await watch(context, complaints, away);
      await use();
      for (const { name, value } of await context.cookies()) noteCookie(name, value);
      expect(complaints).toEqual([]);
    },
    { auto: true },
  ],
});

/** Waits until the islands of the page are hydrated. Without JavaScript there is nothing to wait for. */
export async function hydrated(page: Page, js = true) {
  if (js) await expect(page.locator("html[data-hydrated=true]")).toBeAttached();
}

export async function signUp(page: Page, name: string, origin = "") {
  await page.goto(`${origin}/signup`);
  await page.getByLabel("Sign-in name").fill(name);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByRole("heading", { name: "Dashboard" })).toBeVisible();
}

export async function signIn(page: Page, name: string, password = PASSWORD) {
  await page.getByLabel("Sign-in name").fill(name);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
}

/** Creates an account without using the pages. Returns its name. */
export async function account(page: Page, name = freshName()): Promise<string> {
  const answer = await page.request.post("/api/sign_up", { form: { username: name, password: PASSWORD }, headers: { accept: "application/json" } });
  expect(answer.status()).toBe(200);
  await page.context().clearCookies();
  return name;
}

/** Starts more sessions of an account through the API. */
export async function moreSessions(page: Page, name: string, many: number) {
  for (let n = 0; n < many; n++) {
    const answer = await page.request.post("/token", { form: { username: name, password: PASSWORD } });
    expect(answer.status()).toBe(200);
  }
}
