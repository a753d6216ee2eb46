import { SHORT } from "./servers.js";
import { PASSWORD, expect, freshName, hydrated, signUp, test } from "./support.js";

const view = "[data-protected-view]";

test("a sign-out in another tab hides the view here and leads to the sign-in page", async ({ page, context }) => {
  await signUp(page, freshName());
  await hydrated(page);
  const other = await context.newPage();
  await other.goto("/account");
  await other.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL("/login?next=%2Fdashboard");
  await expect(page.locator(view)).toHaveCount(0);
});

test("somebody else signing in in another tab changes this one", async ({ page, context }) => {
  // A form that was there before anybody signed in.
  const other = await context.newPage();
  await other.goto("/signup");
  await hydrated(other);
  await signUp(page, freshName());
  await hydrated(page);
  const second = freshName("grace");
  await other.getByLabel("Sign-in name").fill(second);
  await other.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await other.getByRole("button", { name: "Create account" }).click();
  await expect(other.locator(view)).toContainText(second);
  await page.bringToFront();
  await expect(page.locator(view)).toContainText(second);
});

test("a session at its end hides the view and leads to the sign-in page", async ({ page }) => {
  await signUp(page, freshName(), SHORT);
  await hydrated(page);
  await expect(page.locator(view)).toBeVisible();
  await expect(page).toHaveURL(`${SHORT}/login?next=%2Fdashboard`, { timeout: 15_000 });
});

test("the view is hidden before the server is asked again", async ({ page }) => {
  await signUp(page, freshName(), SHORT);
  // A page without the token on it: it stays when the token is renewed.
  await page.goto(`${SHORT}/sessions`);
  await hydrated(page);
  await page.evaluate(() => {
    const hidden = (selector: string) => document.querySelector<HTMLElement>(selector)?.hidden;
    new MutationObserver(() => {
      if (hidden(".guarded") && hidden(".ended") === false) sessionStorage.setItem("seen", "hidden, with a word why");
    }).observe(document.body, { attributes: true, subtree: true });
  });
  await expect(page).toHaveURL(/\/login\?next=/, { timeout: 15_000 });
  expect(await page.evaluate(() => sessionStorage.getItem("seen"))).toBe("hidden, with a word why");
});

test("a page that returns from the back/forward cache asks the server again", async ({ page, context }) => {
  await signUp(page, freshName());
  await hydrated(page);
  await context.clearCookies();
  await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await expect(page).toHaveURL("/login?next=%2Fdashboard");
});

test("a clock that is set on an open page hides the view no longer than the server takes to answer", async ({ page }) => {
  await page.addInitScript(() => {
    const now = Date.now;
    let ahead = 0;
    Date.now = () => now() + ahead;
    window.addEventListener("set-clock", (event) => (ahead += (event as CustomEvent<number>).detail));
  });
  await signUp(page, freshName());
  await hydrated(page);
  await page.evaluate(() => document.documentElement.append(new Comment("the same page")));
  const HOUR = 3_600_000;
  const set = (by: number) => page.evaluate((detail) => window.dispatchEvent(new CustomEvent("set-clock", { detail })), by);
  for (const by of [HOUR, 24 * HOUR]) {
    const asked = page.waitForRequest("**/session/events");
    await set(by);
    await asked;
    await expect(page.locator(view)).toBeVisible();
  }
  const countdown = page.locator("[data-countdown]");
  await set(-48 * HOUR);
  const before = await countdown.textContent();
  await expect(countdown).not.toHaveText(before ?? "");
  expect(await countdown.textContent()).toMatch(/^14:\d\d$/);
  await expect(page.locator(view)).toBeVisible();
  const stayed = await page.evaluate(() => [...document.documentElement.childNodes].some((node) => node instanceof Comment && node.data === "the same page"));
  expect(stayed, "the page was not loaded anew").toBe(true);
});

test("events that contradict the page lead to one reload, not to a loop", async ({ page }) => {
  await signUp(page, freshName());
  let loads = 0;
  page.on("request", (request) => (loads += request.isNavigationRequest() ? 1 : 0));
  await page.route("**/session/events", (route) => route.fulfill({ contentType: "text/event-stream", body: "event: over\ndata: ask the server\n\n" }));
  await page.goto("/sessions");
  await expect.poll(() => loads).toBe(2);
  await hydrated(page);
  await expect(page.getByRole("heading", { name: "Checking your session" })).toBeVisible();
  // Longer than the page waits before it checks or listens again.
  await page.evaluate(() => new Promise((done) => setTimeout(done, 3000)));
  expect(loads).toBe(2);
  await expect(page.locator(view)).toBeHidden();
});

test.describe("while the server is away", () => {
  test.use({ away: true });

  test("a token at its end hides the view, with a word why, and nothing of it can be seen or read out", async ({ page }) => {
    const name = freshName();
    await signUp(page, name, SHORT);
    await page.goto(`${SHORT}/account`);
    await hydrated(page);
    await page.route("**/*", (route) => route.abort());
    await expect(page.getByRole("heading", { name: "Checking your session" })).toBeVisible({ timeout: 15_000 });
    await expect(page.locator(view)).toBeHidden();
    expect(await page.getByRole("main").innerText()).not.toContain(name);
    expect(await page.getByRole("main").ariaSnapshot()).not.toContain(name);
  });

  test("a sign-out that does not arrive leaves nothing of the page, and says nothing that is not so", async ({ page, context }) => {
    await signUp(page, freshName());
    await hydrated(page);
    await page.route("**/*", (route) => route.abort());
    await page.getByRole("button", { name: "Sign out" }).click();
    // The browser's own page stands there now.
    await expect(page.locator(view)).toHaveCount(0);
    await expect(page.getByText("You are signed out.")).toHaveCount(0);
    // The session lives, as the server never heard of it.
    await page.unroute("**/*");
    await page.goto("/dashboard");
    await expect(page.locator(view)).toBeVisible();
    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByRole("status")).toHaveText("You are signed out.");
    expect((await context.cookies()).map(({ name }) => name)).toEqual(["latchkey-device"]);
  });

  test("an end that is heard of takes the view out of the page even when the next one does not come", async ({ page, context }) => {
    await signUp(page, freshName());
    await hydrated(page);
    await page.route("**/*", (route) => route.abort());
    const other = await context.newPage();
    await other.goto("/account");
    await other.getByRole("button", { name: "Sign out" }).click();
    await expect(other).toHaveURL("/login");
    await expect(page.locator(view)).toHaveCount(0);
  });
});
