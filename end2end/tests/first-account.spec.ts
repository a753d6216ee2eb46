import { FRESH } from "./servers.js";
import { expect, freshName, signUp, test } from "./support.js";

test("the sign-up page announces that the first account becomes administrator, and only the first does", async ({ page, js }) => {
  const origin = js ? FRESH.withJavaScript : FRESH.withoutJavaScript;
  await page.goto(`${origin}/signup`);
  await expect(page.getByRole("main")).toContainText("The first account becomes the administrator.");
  await signUp(page, freshName(), origin);
  await page.goto(`${origin}/account`);
  await expect(page.locator("[data-protected-view]")).toContainText("Administrator");
  await page.getByRole("button", { name: "Sign out" }).click();

  await page.goto(`${origin}/signup`);
  await expect(page.getByRole("main")).not.toContainText("The first account");
  await signUp(page, freshName(), origin);
  await page.goto(`${origin}/account`);
  await expect(page.locator("[data-protected-view]")).not.toContainText("Administrator");
});
