import { MAIN, SHORT } from "./servers.js";
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
  await signUp(page, freshName());
  await hydrated(page);
  const second = freshName("grace");
  const signedUp = await page.request.post("/api/sign_up", {
    form: { username: second, password: PASSWORD },
    headers: { accept: "application/json", origin: MAIN },
  });
  expect(signedUp.status()).toBe(200);
  await (await context.newPage()).goto("/");
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
