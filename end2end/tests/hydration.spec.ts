import type { Page } from "@playwright/test";
import { expect, freshName, hydrated, signUp, test } from "./support.js";

const PAGES: { path: string; signedIn?: boolean; islands: string[] }[] = [
  { path: "/", islands: [] },
  { path: "/login", islands: ["PendingForm", "PasswordField"] },
  { path: "/signup", islands: ["PendingForm", "UsernameField", "NewPasswordField", "PasswordField"] },
  { path: "/docs", islands: ["CopyButton"] },
  { path: "/nowhere", islands: [] },
  { path: "/dashboard", signedIn: true, islands: ["Guard", "Countdown", "CopyButton"] },
  { path: "/sessions", signedIn: true, islands: ["Guard"] },
  { path: "/account", signedIn: true, islands: ["Guard", "PendingForm", "PasswordField", "NewPasswordField"] },
];

/** Returns the kinds of islands on a page. */
async function islandsOf(page: Page): Promise<string[]> {
  const names = await page.locator("[data-island]").evaluateAll((all) => all.map((island) => island.getAttribute("data-island") ?? ""));
  return [...new Set(names)];
}

for (const { path, signedIn, islands } of PAGES) {
  test(`the page has one heading and its islands: ${path}`, async ({ page, js }) => {
    if (signedIn) await signUp(page, freshName());
    await page.goto(path);
    await hydrated(page, js);
    await expect(page.locator("h1")).toHaveCount(1);
    expect((await islandsOf(page)).sort()).toEqual([...islands].sort());
  });
}

test("the WASM is loaded once, and not at all without JavaScript", async ({ page, js }) => {
  // Chromium logs a console warning a few seconds after the load if a preloaded file was not used.
  let loads = 0;
  page.on("request", (request) => (loads += request.url().endsWith(".wasm") ? 1 : 0));
  await page.goto("/login");
  await hydrated(page, js);
  expect(loads).toBe(js ? 1 : 0);
});
