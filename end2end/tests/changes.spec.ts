import { PASSWORD, expect, freshName, hydrated, signIn, signUp, test } from "./support.js";

const NEW = "another quiet harbour";

test("a password can be changed and this browser stays signed in", async ({ page, js }) => {
  const name = freshName();
  await signUp(page, name);
  await page.getByRole("link", { name: "Account", exact: true }).click();
  await hydrated(page, js);
  await page.getByLabel("Current password").fill("wrong password");
  await page.getByLabel("New password").fill(NEW);
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page.locator("#change-password-current_password-error")).toHaveText("This is not your password.");
  await expect(page).toHaveURL("/account#change-password");

  await page.getByLabel("Current password").fill(PASSWORD);
  await page.getByLabel("New password").fill(NEW);
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page.getByText("Your password was changed.")).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL("/login");
  await signIn(page, name, NEW);
  await expect(page).toHaveURL("/dashboard");
});

test("an email address can be changed", async ({ page, js }) => {
  await signUp(page, freshName());
  await page.goto("/account");
  await hydrated(page, js);
  await page.getByLabel("Email (optional)").fill("ada@");
  await page.getByRole("button", { name: "Change email" }).click();
  await expect(page.locator("#change-email-email-error")).toContainText("does not look like an email address");
  await expect(page.getByLabel("Email (optional)")).toHaveValue("ada@");
  await page.getByLabel("Email (optional)").fill("ada@example.org");
  await page.getByRole("button", { name: "Change email" }).click();
  await expect(page.getByText("Your email address was changed.")).toBeVisible();
  await expect(page.getByRole("definition").filter({ hasText: "ada@example.org" })).toBeVisible();
});

test("an account is removed once its name and password are typed", async ({ page, js }) => {
  const name = freshName();
  await signUp(page, name);
  await page.goto("/account");
  await hydrated(page, js);
  const removal = page.locator("#remove-account");
  await removal.getByLabel("Type your sign-in name").fill("somebody.else");
  await removal.getByLabel("Your password").fill(PASSWORD);
  await removal.getByRole("button", { name: "Remove account" }).click();
  await expect(removal).toContainText("This is not your sign-in name.");
  await removal.getByLabel("Type your sign-in name").fill(name);
  await removal.getByLabel("Your password").fill(PASSWORD);
  await removal.getByRole("button", { name: "Remove account" }).click();
  await expect(page.getByRole("status")).toHaveText("Your account was removed.");
  await signIn(page, name);
  await expect(page.getByRole("alert")).toBeVisible();
});

test("other sessions can be ended on the sessions page", async ({ page, js }) => {
  const name = freshName();
  await signUp(page, name);
  await page.request.post("/token", { form: { username: name, password: PASSWORD } });
  await page.getByRole("link", { name: "Sessions", exact: true }).click();
  await hydrated(page, js);
  await expect(page.getByText("This device")).toHaveCount(1);
  await page.getByRole("button", { name: "End the other session" }).click();
  await expect(page.getByText("All your other sessions were ended.")).toBeVisible();
  await expect(page.locator(".card")).toHaveCount(1);
});
