import { SHORT } from "./servers.js";
import { PASSWORD, expect, freshName, hydrated, signUp, test } from "./support.js";

const view = "[data-protected-view]";

test("a sign-out in another tab hides the view here and redirects to the sign-in page", async ({ page, context }) => {
  await signUp(page, freshName());
  await hydrated(page);
  const other = await context.newPage();
  await other.goto("/account");
  await other.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL("/login?next=%2Fdashboard");
  await expect(page.locator(view)).toHaveCount(0);
});

test("when another user signs in in another tab, this tab shows the page of that user", async ({ page, context }) => {
  // Open this form before anyone signs in.
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

test("an expired session hides the view and redirects to the sign-in page", async ({ page }) => {
  await signUp(page, freshName(), SHORT);
  await hydrated(page);
  await expect(page.locator(view)).toBeVisible();
  await expect(page).toHaveURL(`${SHORT}/login?next=%2Fdashboard`, { timeout: 15_000 });
});

test("the view is hidden before the server is asked again", async ({ page }) => {
  await signUp(page, freshName(), SHORT);
  // This page does not show the token, so a renewal does not reload it.
  await page.goto(`${SHORT}/sessions`);
  await hydrated(page);
  await page.evaluate(() => {
    const hidden = (selector: string) => document.querySelector<HTMLElement>(selector)?.hidden;
    new MutationObserver(() => {
      if (hidden(".guarded") && hidden(".ended") === false) sessionStorage.setItem("seen", "hidden, with the reason");
    }).observe(document.body, { attributes: true, subtree: true });
  });
  await expect(page).toHaveURL(/\/login\?next=/, { timeout: 15_000 });
  expect(await page.evaluate(() => sessionStorage.getItem("seen"))).toBe("hidden, with the reason");
});

test("a page that is restored from the back/forward cache asks the server again", async ({ page, context }) => {
  await signUp(page, freshName());
  await hydrated(page);
  await context.clearCookies();
  await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await expect(page).toHaveURL("/login?next=%2Fdashboard");
});

test("a changed clock hides the view only until the server has answered", async ({ page }) => {
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
  expect(stayed, "the page was not reloaded").toBe(true);
});

test("events that contradict the page cause one reload and no loop", async ({ page }) => {
  await signUp(page, freshName());
  let loads = 0;
  page.on("request", (request) => (loads += request.isNavigationRequest() ? 1 : 0));
  await page.route("**/session/events", (route) => route.fulfill({ contentType: "text/event-stream", body: "event: over\ndata: ask the server\n\n" }));
  await page.goto("/sessions");
  await expect.poll(() => loads).toBe(2);
  await hydrated(page);
  await expect(page.getByRole("heading", { name: "Checking your session" })).toBeVisible();
  // Wait longer than the page waits before it checks or listens again.
  await page.evaluate(() => new Promise((done) => setTimeout(done, 3000)));
  expect(loads).toBe(2);
  await expect(page.locator(view)).toBeHidden();
});

test.describe("while the server is unavailable", () => {
  test.use({ away: true });

  test("an expired token hides the view, says why, and leaves nothing to see or for screen readers", async ({ page }) => {
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

  test("a sign-out that does not reach the server removes the page and does not claim success", async ({ page, context }) => {
    await signUp(page, freshName());
    await hydrated(page);
    await page.route("**/*", (route) => route.abort());
    await page.getByRole("button", { name: "Sign out" }).click();
    // The browser now shows its own error page.
    await expect(page.locator(view)).toHaveCount(0);
    await expect(page.getByText("You are signed out.")).toHaveCount(0);
    // The session is alive, because the request did not reach the server.
    await page.unroute("**/*");
    await page.goto("/dashboard");
    await expect(page.locator(view)).toBeVisible();
    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByRole("status")).toHaveText("You are signed out.");
    expect((await context.cookies()).map(({ name }) => name)).toEqual(["latchkey-device"]);
  });

  test("a sign-out in another tab removes the view even if the next page cannot be loaded", async ({ page, context }) => {
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
