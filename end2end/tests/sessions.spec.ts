import type { Browser, BrowserContext, Page } from "@playwright/test";
import { RENEWING } from "./servers.js";
import { PASSWORD, account, expect, freshName, hydrated, signIn, signUp, test } from "./support.js";

const view = "[data-protected-view]";
const accessToken = async (context: BrowserContext) => (await context.cookies()).find((cookie) => cookie.name === "latchkey")?.value;

/** Opens a separate browser in which a user is signed in. */
async function elsewhere(browser: Browser, name: string, enter = signInAt): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await enter(page, name);
  await expect(page).toHaveURL("/dashboard");
  await hydrated(page);
  return page;
}

async function signInAt(page: Page, name: string) {
  await page.goto("/login");
  await signIn(page, name);
}

test("three tabs with an expired access token load at once and stay signed in", async ({ page, context }) => {
  await signUp(page, freshName(), RENEWING);
  for (let round = 0; round < 3; round++) {
    for (const tab of context.pages()) await tab.goto("about:blank");
    while (context.pages().length < 3) await context.newPage();
    // The browser itself removes an access cookie whose token has expired.
    await expect.poll(() => accessToken(context), { timeout: 10_000 }).toBeUndefined();
    await Promise.all(context.pages().map((tab) => tab.goto(`${RENEWING}/dashboard`)));
    for (const tab of context.pages()) await expect(tab.locator(view)).toBeVisible();
    expect(await accessToken(context)).toBeDefined();
  }
  await page.goto(`${RENEWING}/sessions`);
  await expect(page.getByRole("heading", { level: 2 })).toHaveCount(1);
});

test("an open page renews its token by itself and keeps what is typed", async ({ page, context }) => {
  await signUp(page, freshName(), RENEWING);
  await page.goto(`${RENEWING}/account`);
  await hydrated(page);
  await page.getByLabel("Email (optional)").fill("ada@example.org");
  for (let renewal = 0; renewal < 3; renewal++) {
    const before = await accessToken(context);
    await expect.poll(() => accessToken(context), { timeout: 10_000 }).not.toBe(before);
    await expect(page.locator(view)).toBeVisible();
  }
  await expect(page.getByLabel("Email (optional)")).toHaveValue("ada@example.org");
  await expect(page).toHaveURL(`${RENEWING}/account`);
});

test("the dashboard shows the new token after a renewal", async ({ page }) => {
  await signUp(page, freshName(), RENEWING);
  await hydrated(page);
  const id = page.locator("dt:has(code:text-is('jti')) + dd");
  const first = await id.textContent();
  await expect(id).not.toHaveText(first ?? "", { timeout: 10_000 });
  await expect(page.locator(view)).toBeVisible();
});

test("only a visible tab listens for events, and a hidden tab asks when it becomes visible", async ({ page, browser }) => {
  const name = freshName();
  await signUp(page, name);
  await page.goto("/sessions");
  await hydrated(page);
  const streams: string[] = [];
  page.on("request", (request) => request.url().endsWith("/session/events") && streams.push("asked"));
  page.on("requestfailed", (request) => request.url().endsWith("/session/events") && streams.push("closed"));
  const look = (hidden: boolean) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    }, hidden);
  await look(true);
  await expect.poll(() => streams).toEqual(["closed"]);
  const other = await elsewhere(browser, name);
  await other.goto("/sessions");
  await other.getByRole("button", { name: "End the other session" }).click();
  await expect(other.getByText("All your other sessions were ended.")).toBeVisible();
  await expect(page.locator(view)).toBeVisible();
  await look(false);
  await expect(page).toHaveURL("/login?next=%2Fsessions");
  expect(streams.filter((what) => what === "asked")).toHaveLength(1);
  await other.context().close();
});

test("a session is listed with its device and can be ended from another browser", async ({ page, browser }) => {
  const name = freshName();
  const other = await elsewhere(browser, name, signUp);
  await page.goto("/login?next=%2Fsessions");
  await signIn(page, name);
  await expect(page.getByRole("heading", { name: "Chrome on Windows" })).toHaveCount(2);
  await expect(page.getByText("This device")).toHaveCount(1);
  await expect(page.locator(".card").first()).toContainText("127.0.0.1");
  await page.getByRole("button", { name: "End the session of Chrome on Windows" }).click();
  await expect(page.getByRole("status").first()).toHaveText("The session was ended.");
  await expect(page.getByRole("heading", { name: "Chrome on Windows" })).toHaveCount(1);

  await expect(other).toHaveURL("/login?next=%2Fdashboard");
  await expect(other.getByRole("alert")).toHaveText("This session was ended from another of your devices.");
  await other.context().close();
});

test("a sign-out in another browser does not sign out this one", async ({ page, browser }) => {
  const name = await account(page);
  const other = await elsewhere(browser, name);
  await page.goto("/login");
  await signIn(page, name);
  await hydrated(page);
  await other.getByRole("button", { name: "Sign out" }).click();
  await expect(other).toHaveURL("/login");
  await page.reload();
  await expect(page.locator(view)).toBeVisible();
  await other.context().close();
});

/** `END_ROUNDS=100` gives useful figures. A few rounds are enough to see that it works. */
const ROUNDS = Number(process.env.END_ROUNDS ?? 5);

test(`a session that is ended elsewhere closes an open page within a second, ${ROUNDS} times`, async ({ page, browser }) => {
  test.setTimeout(30_000 + ROUNDS * 3_000);
  const name = await account(page);
  const order = await page.request.post("/token", { form: { username: name, password: PASSWORD } });
  expect(order.status()).toBe(200);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const other = await elsewhere(browser, name);
    const refresh = (await other.context().cookies()).find((cookie) => cookie.name === "latchkey-refresh")?.value ?? "";
    const began = Date.now();
    await page.request.post("/revoke", { form: { token: refresh } });
    await other.waitForURL(/\/login/);
    times.push(Date.now() - began);
    await other.context().close();
  }
  times.sort((a, b) => a - b);
  console.log(`      ended session to sign-in page: median ${times[times.length >> 1]} ms, worst ${times.at(-1)} ms of ${ROUNDS}`);
  expect(times.at(-1)).toBeLessThan(1000);
});
