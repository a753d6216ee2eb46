import { type BrowserContext, type Page, test as base, expect } from "@playwright/test";

export { expect };

export const PASSWORD = "quiet harbour lantern";

/** A name nobody else in this run has. */
export function freshName(prefix = "ada"): string {
  return `${prefix}-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
}

/** Fails a test on anything that a page says on the console, throws, violates or asks of another host. */
function watch(context: BrowserContext, complaints: string[]) {
  context.on("console", (message) => {
    // The browser itself says that a page which is not there is not there.
    if (!message.location().url.endsWith("/nowhere")) complaints.push(`console ${message.type()}: ${message.text()}`);
  });
  context.on("weberror", (error) => complaints.push(`error: ${error.error().message}`));
  context.on("request", (request) => {
    if (!/^http:\/\/(localhost|127\.0\.0\.1):32\d\d\//.test(request.url())) complaints.push(`request to ${request.url()}`);
  });
}

export const test = base.extend<{ quiet: void; js: boolean }>({
  js: async ({ javaScriptEnabled }, use) => use(javaScriptEnabled !== false),
  quiet: [
    async ({ context }, use) => {
      const complaints: string[] = [];
      watch(context, complaints);
      await use();
      expect(complaints).toEqual([]);
    },
    { auto: true },
  ],
});

/** Waits until the islands of the page are alive; without JavaScript there is nothing to wait for. */
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

/** An account that is there, made without the pages. */
export async function account(page: Page, name = freshName()): Promise<string> {
  const answer = await page.request.post("/api/sign_up", { form: { username: name, password: PASSWORD }, headers: { accept: "application/json" } });
  expect(answer.status()).toBe(200);
  await page.context().clearCookies();
  return name;
}
