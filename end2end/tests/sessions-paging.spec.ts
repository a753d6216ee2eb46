import type { Page } from "@playwright/test";
import { expect, freshName, hydrated, moreSessions, signIn, signUp, test } from "./support.js";

const cards = (page: Page) => page.locator(".card");

test("many sessions are shown in pages, and ending one returns to its page", async ({ page, js }) => {
  const name = freshName();
  await signUp(page, name);
  await moreSessions(page, name, 30);
  await page.goto("/sessions");
  await hydrated(page, js);
  await expect(cards(page)).toHaveCount(25);
  await expect(cards(page).first()).toContainText("This device");
  await expect(page.getByText("1 to 25 of 31")).toBeVisible();
  await expect(page.getByRole("link", { name: "Back to the newest" })).toHaveCount(0);

  await page.getByRole("link", { name: "Older sessions" }).click();
  await expect(page).toHaveURL(/\/sessions\?after=[0-9a-f-]{36}$/);
  const second = page.url();
  await hydrated(page, js);
  await expect(page.getByText("26 to 31 of 31")).toBeVisible();
  await expect(page.getByText("This device")).toHaveCount(0);
  await expect(page.getByRole("link", { name: "Older sessions" })).toHaveCount(0);

  await cards(page).nth(2).getByRole("button").click();
  await expect(page).toHaveURL(second);
  await expect(page.getByRole("status").first()).toHaveText("The session was ended.");
  await expect(cards(page)).toHaveCount(5);

  await page.getByRole("link", { name: "Back to the newest" }).click();
  await expect(page).toHaveURL("/sessions");
  await expect(page.getByText("1 to 25 of 30")).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(second);
  await expect(cards(page)).toHaveCount(5);

  await page.getByRole("button", { name: "End all 29 other sessions" }).click();
  await expect(page).toHaveURL("/sessions");
  await expect(cards(page)).toHaveCount(1);
  await page.goto(second);
  await expect(cards(page)).toHaveCount(1);
  await expect(cards(page)).toContainText("This device");
});

test("signing in returns to the page of sessions that was requested", async ({ page, js }) => {
  const name = freshName();
  await signUp(page, name);
  await moreSessions(page, name, 26);
  await page.goto("/sessions");
  const address = (await page.getByRole("link", { name: "Older sessions" }).getAttribute("href")) ?? "";
  await page.context().clearCookies();
  await page.goto(address);
  await expect(page).toHaveURL(/\/login\?next=/);
  await hydrated(page, js);
  await signIn(page, name);
  await expect(page).toHaveURL(address);
  await expect(page.getByText("26 to 28 of 28")).toBeVisible();
});
