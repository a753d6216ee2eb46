import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, Page } from "@playwright/test";
import { PASSWORD, expect, freshName, hydrated, moreSessions, signIn, signUp, test } from "./support.js";

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

type State = { name: string; reach: (page: Page, js: boolean) => Promise<void>; needsJavaScript?: boolean };

const open = (path: string) => async (page: Page, js: boolean) => {
  await page.goto(path);
  await hydrated(page, js);
};

const signedIn = (path: string) => async (page: Page, js: boolean) => {
  await signUp(page, freshName());
  await open(path)(page, js);
};

const HINTS = [
  ["too-short", "short", "3 more characters."],
  ["long-enough", PASSWORD, "Long enough. Longer is better."],
];

/** Reaches a page, types a new password there, and waits for the hint below it. */
const hinted = (reach: State["reach"], label: string, password: string, hint: string) => async (page: Page, js: boolean) => {
  await reach(page, js);
  await page.getByLabel(label, { exact: true }).fill(password);
  await expect(page.locator("#password-hint")).toHaveText(hint);
};

const STATES: State[] = [
  { name: "home", reach: open("/") },
  { name: "home-signed-in", reach: signedIn("/") },
  { name: "login", reach: open("/login") },
  {
    name: "login-error",
    reach: async (page, js) => {
      await page.goto("/login");
      await signIn(page, "nobody.here", "wrong password");
      await expect(page.getByRole("alert")).toBeVisible();
      await hydrated(page, js);
    },
  },
  { name: "signup", reach: open("/signup") },
  {
    name: "signup-errors",
    reach: async (page, js) => {
      await page.goto("/signup");
      await page.getByLabel("Sign-in name").fill("admin");
      await page.getByLabel("Password", { exact: true }).fill("short");
      await page.getByLabel("Email (optional)").fill("ada@");
      await page.getByRole("button", { name: "Create account" }).click();
      await expect(page.locator("#email-error")).not.toBeEmpty();
      await hydrated(page, js);
    },
  },
  {
    name: "signup-typing",
    needsJavaScript: true,
    reach: async (page) => {
      await open("/signup")(page, true);
      await page.getByLabel("Sign-in name").fill("Ada.Lovelace");
      await page.getByLabel("Password", { exact: true }).fill("Ada.Lovelace");
      await page.getByRole("button", { name: "Show password" }).click();
      await expect(page.locator("#password-hint")).toHaveAttribute("data-state", "wrong");
    },
  },
  ...HINTS.flatMap(([state, password, hint]) => [
    { name: `signup-${state}`, needsJavaScript: true, reach: hinted(open("/signup"), "Password", password, hint) },
    { name: `account-${state}`, needsJavaScript: true, reach: hinted(signedIn("/account"), "New password", password, hint) },
  ]),
  { name: "dashboard", reach: signedIn("/dashboard") },
  {
    name: "session-ended",
    needsJavaScript: true,
    reach: async (page, js) => {
      await signedIn("/dashboard")(page, js);
      // An answer with status 204 does not replace the page, so the guard's own panel stays visible.
      await page.route("/dashboard", (route) => route.fulfill({ status: 204 }));
      await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
      await expect(page.getByRole("heading", { name: "Checking your session" })).toBeVisible();
      await expect(page.locator("[data-protected-view]")).toBeHidden();
    },
  },
  { name: "account", reach: signedIn("/account") },
  {
    name: "account-errors",
    reach: async (page, js) => {
      await signedIn("/account")(page, js);
      await page.getByLabel("Current password").fill("wrong password");
      await page.getByLabel("New password").fill("another quiet harbour");
      await page.getByRole("button", { name: "Change password" }).click();
      await expect(page.locator("#change-password-current_password-error")).not.toBeEmpty();
      await hydrated(page, js);
    },
  },
  { name: "sessions", reach: signedIn("/sessions") },
  {
    name: "sessions-several",
    reach: async (page, js) => {
      const name = freshName();
      await signUp(page, name);
      await moreSessions(page, name, 2);
      await open("/sessions")(page, js);
      await expect(page.getByRole("button", { name: "End all 2 other sessions" })).toBeVisible();
    },
  },
  {
    name: "sessions-first-page",
    reach: async (page, js) => {
      test.slow();
      const name = freshName();
      await signUp(page, name);
      await moreSessions(page, name, 26);
      await open("/sessions")(page, js);
      await expect(page.getByRole("link", { name: "Older sessions" })).toBeVisible();
    },
  },
  {
    name: "sessions-later-page",
    reach: async (page, js) => {
      test.slow();
      const name = freshName();
      await signUp(page, name);
      await moreSessions(page, name, 51);
      await page.goto("/sessions");
      await page.getByRole("link", { name: "Older sessions" }).click();
      await hydrated(page, js);
      await expect(page.getByText("26 to 50 of 52")).toBeVisible();
    },
  },
  {
    name: "sessions-last-page",
    reach: async (page, js) => {
      test.slow();
      const name = freshName();
      await signUp(page, name);
      await moreSessions(page, name, 26);
      await page.goto("/sessions");
      await page.getByRole("link", { name: "Older sessions" }).click();
      await hydrated(page, js);
      await expect(page.getByRole("link", { name: "Older sessions" })).toHaveCount(0);
      await expect(page.getByRole("link", { name: "Back to the newest" })).toBeVisible();
    },
  },
  {
    name: "login-ended",
    reach: async (page, js) => {
      const name = freshName();
      await signUp(page, name);
      const other = await page.request.post("/token", { form: { username: name, password: PASSWORD } });
      const { refresh_token: token } = await other.json();
      await page.goto("about:blank");
      const mine = (await page.context().cookies()).find((cookie) => cookie.name === "latchkey-refresh");
      await page.request.post("/revoke", { form: { token: mine?.value ?? "" } });
      expect(token).not.toBe(mine?.value);
      await open("/login")(page, js);
      await expect(page.getByRole("alert")).toBeVisible();
    },
  },
  { name: "docs", reach: open("/docs") },
  {
    name: "docs-answer",
    needsJavaScript: true,
    reach: async (page) => {
      await open("/docs")(page, true);
      const operation = page.locator("article#get-health-live");
      await operation.getByRole("button", { name: "Send" }).click();
      await expect(operation.locator("output")).toContainText("200");
    },
  },
  { name: "not-found", reach: open("/nowhere") },
];

/** The app's own scripts, which are blocked for pages without JavaScript. */
const SCRIPTS = /\/assets\/.*\.js$/;

/**
 * Returns a page to run axe on. Axe needs JavaScript, so a page without it is opened again in a second browser context with the
 * same HTML and styles but without the app's scripts.
 */
async function examinable(page: Page, js: boolean, browser: Browser, colorScheme: "light" | "dark"): Promise<Page> {
  if (js) return page;
  const context = await browser.newContext({ javaScriptEnabled: true, colorScheme, reducedMotion: "reduce" });
  const copy = await context.newPage();
  const body = await page.content();
  await copy.route(page.url(), (route) => route.fulfill({ body, contentType: "text/html; charset=utf-8" }));
  await copy.route(SCRIPTS, (route) => route.fulfill({ body: "", contentType: "text/javascript" }));
  await copy.goto(page.url());
  return copy;
}

for (const scheme of ["light", "dark"] as const) {
  for (const { name, reach, needsJavaScript } of STATES) {
    test(`a page has no accessibility violations and fits a narrow screen: ${name}, ${scheme}`, async ({ page, js, browser }) => {
      test.skip(needsJavaScript === true && !js, "only hydrated pages have this state");
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await reach(page, js);
      const examined = await examinable(page, js, browser, scheme);
      for (const width of [1280, 360]) {
        await page.setViewportSize({ width, height: 800 });
        await examined.setViewportSize({ width, height: 800 });
        expect((await new AxeBuilder({ page: examined }).withTags(TAGS).analyze()).violations).toEqual([]);
        if (process.env.SCREENSHOTS) {
          await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}-${scheme}-${width}${js ? "" : "-nojs"}.png`, fullPage: true });
        }
      }
      if (examined !== page) await examined.context().close();
      await page.setViewportSize({ width: 320, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
    });
  }
}
