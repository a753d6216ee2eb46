import type { Locator } from "@playwright/test";
import { PASSWORD, account, expect, freshName, hydrated, signUp, test } from "./support.js";

/** Types text into one field, cuts it and pastes it into another field, as the user of a password manager does. */
async function paste(text: string, by: Locator, into: Locator) {
  const before = await by.inputValue();
  await by.fill(text);
  await by.press("ControlOrMeta+A");
  await by.press("ControlOrMeta+X");
  await expect(by).toHaveValue("");
  await into.focus();
  await into.press("ControlOrMeta+V");
  await expect(into).toHaveValue(text);
  await by.fill(before);
}

test("a password can be pasted at sign-in", async ({ page, js }) => {
  const name = await account(page);
  await page.goto("/login");
  await hydrated(page, js);
  const field = page.getByLabel("Sign-in name");
  await field.fill(name);
  await paste(PASSWORD, field, page.getByLabel("Password", { exact: true }));
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  await expect(page).toHaveURL("/dashboard");
});

test("a password can be pasted at sign-up", async ({ page, js }) => {
  await page.goto("/signup");
  await hydrated(page, js);
  const field = page.getByLabel("Sign-in name");
  await field.fill(freshName());
  await paste(PASSWORD, field, page.getByLabel("Password", { exact: true }));
  if (js) await expect(page.locator("#password-hint")).toHaveAttribute("data-state", "ok");
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page).toHaveURL("/dashboard");
});

test("passwords can be pasted to change the password and to remove the account", async ({ page, js }) => {
  const name = freshName();
  await signUp(page, name);
  await page.goto("/account");
  await hydrated(page, js);
  const field = page.getByLabel("Email (optional)");
  await paste(PASSWORD, field, page.getByLabel("Current password"));
  await paste("another quiet harbour", field, page.getByLabel("New password"));
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page.getByText("Your password was changed.")).toBeVisible();

  const removal = page.locator("#remove-account");
  await removal.getByLabel("Type your sign-in name").fill(name);
  await paste("another quiet harbour", page.getByLabel("Email (optional)"), removal.getByLabel("Your password"));
  await removal.getByRole("button", { name: "Remove account" }).click();
  await expect(page.getByRole("status")).toHaveText("Your account was removed.");
});

test("a password manager knows every field of the account page", async ({ page, js }) => {
  const name = freshName();
  await signUp(page, name);
  await page.goto("/account");
  await hydrated(page, js);
  const fields = await page.locator("main input:not([type=checkbox])").evaluateAll((inputs) =>
    (inputs as HTMLInputElement[]).map((input) => [input.closest("section")?.id, input.name, input.type, input.autocomplete]),
  );
  expect(fields).toEqual([
    ["change-password", "username", "text", "username"],
    ["change-password", "current_password", "password", "current-password"],
    ["change-password", "new_password", "password", "new-password"],
    ["change-email", "email", "text", "email"],
    ["remove-account", "username", "text", "off"],
    ["remove-account", "password", "password", "current-password"],
  ]);
  await expect(page.locator("#change-password input[name=username]")).toHaveValue(name);
});
