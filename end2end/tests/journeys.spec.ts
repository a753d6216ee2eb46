import { PASSWORD, account, expect, freshName, hydrated, signIn, signUp, test } from "./support.js";

test("sign up, see the dashboard, sign out, sign in again", async ({ page, js }) => {
  const name = freshName();
  await signUp(page, name);
  await hydrated(page, js);
  await expect(page).toHaveURL("/dashboard");
  await expect(page.locator("[data-protected-view]")).toContainText(`Hello, ${name}`);
  await expect(page.getByRole("banner")).toContainText(`Signed in as ${name}`);

  await page.getByRole("link", { name: "Account", exact: true }).click();
  await expect(page.locator("[data-protected-view]")).toContainText(name);

  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL("/login");
  await expect(page.getByRole("status")).toHaveText("You are signed out.");
  await page.goto("/dashboard");
  await expect(page).toHaveURL("/login?next=%2Fdashboard");

  await signIn(page, name);
  await expect(page).toHaveURL("/dashboard");
});

test("the navigation says who is signed in", async ({ page }) => {
  const navigation = page.getByRole("navigation", { name: "Main" });
  const links = async () => navigation.getByRole("link").evaluateAll((links) => links.map((link) => [link.textContent, link.getAttribute("href")]));
  await page.goto("/");
  expect(await links()).toEqual([["Sign in", "/login"], ["Create account", "/signup"], ["API", "/docs"]]);
  await expect(page.getByRole("button", { name: "Sign out" })).toHaveCount(0);

  const name = freshName();
  await signUp(page, name);
  expect(await links()).toEqual([["Dashboard", "/dashboard"], ["Sessions", "/sessions"], ["Account", "/account"], ["API", "/docs"]]);
  await expect(navigation).toContainText(`Signed in as ${name}`);
  await expect(navigation.locator('form[method=post][action="/api/log_out"]').getByRole("button", { name: "Sign out" })).toBeVisible();
});

test("forms have the attributes that browsers and password managers need", async ({ page }) => {
  for (const [path, action, autocomplete] of [
    ["/login", "/api/log_in", "current-password"],
    ["/signup", "/api/sign_up", "new-password"],
  ]) {
    await page.goto(path);
    const form = page.locator(`form[method=post][action="${action}"]`);
    await expect(form.locator("input[name=username]")).toHaveAttribute("autocomplete", "username");
    await expect(form.locator("input[name=password]")).toHaveAttribute("autocomplete", autocomplete);
    for (const field of ["username", "password"]) await expect(form.locator(`input[name=${field}]`)).toHaveAttribute("required", "");
    await expect(form.locator("input[name=next]")).toHaveValue("/dashboard");
    // The browser itself refuses to submit an empty form.
    await form.locator("button[type=submit]").click();
    await expect(form.locator("input[name=username]")).toBeFocused();
    await expect(page).toHaveURL(path);
  }
});

test("the back button after a sign-out never shows the view", async ({ page, js }) => {
  await signUp(page, freshName());
  await hydrated(page, js);
  await page.getByRole("link", { name: "Account", exact: true }).click();
  await expect(page).toHaveURL("/account");
  await hydrated(page, js);
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL("/login");
  await page.goBack();
  await expect(page).toHaveURL(/\/login\?next=/);
  await expect(page.locator("[data-protected-view]")).toHaveCount(0);
});

test("signing in redirects to the page that was requested", async ({ page }) => {
  const name = await account(page);
  await page.goto("/account?tab=1");
  await expect(page).toHaveURL("/login?next=%2Faccount%3Ftab%3D1");
  await signIn(page, name);
  await expect(page).toHaveURL("/account?tab=1");
  for (const path of ["/login", "/signup"]) {
    await page.goto(path);
    await expect(page).toHaveURL("/dashboard");
  }
});

test("creating an account instead redirects to the requested page too", async ({ page }) => {
  await page.goto("/login?next=%2Faccount");
  await page.getByRole("link", { name: "Create one" }).click();
  await page.getByLabel("Sign-in name").fill(freshName());
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page).toHaveURL("/account");
});

test("a wrong password shows an error and keeps the name", async ({ page }) => {
  const name = await account(page);
  await page.goto("/login?next=%2Faccount");
  await signIn(page, name, "wrong password");
  await expect(page.getByRole("alert")).toHaveText("The sign-in name or the password is wrong.");
  await expect(page.getByLabel("Sign-in name")).toHaveValue(name);
  await expect(page.getByLabel("Password", { exact: true })).toHaveValue("");
  await signIn(page, name);
  await expect(page).toHaveURL("/account");
});

const REFUSED = [
  { field: "username", name: "a b", password: PASSWORD, email: "", sentence: "Use only letters" },
  { field: "username", name: "admin", password: PASSWORD, email: "", sentence: "reserved" },
  { field: "password", name: "", password: "short", email: "", sentence: "at least 8 characters" },
  { field: "password", name: "", password: "password1", email: "", sentence: "attackers try first" },
  { field: "email", name: "", password: PASSWORD, email: "ada@", sentence: "does not look like an email address" },
];

for (const { field, name, password, email, sentence } of REFUSED) {
  test(`an error is shown beside its field: ${field}, ${sentence}`, async ({ page }) => {
    const typed = name || freshName();
    await page.goto("/signup");
    await page.getByLabel("Sign-in name").fill(typed);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByLabel("Email (optional)").fill(email);
    await page.getByRole("button", { name: "Create account" }).click();
    await expect(page.locator(`#${field}-error`)).toContainText(sentence);
    const input = page.locator(`#${field}`);
    await expect(input).toHaveAttribute("aria-invalid", "true");
    await expect(input).toHaveAttribute("aria-describedby", new RegExp(`${field}-error`));
    await expect(page.getByLabel("Sign-in name")).toHaveValue(typed);
    await expect(page.getByLabel("Password", { exact: true })).toHaveValue("");
    await expect(page.getByLabel("Email (optional)")).toHaveValue(email);
  });
}

test("a name that is taken is refused with an error", async ({ page }) => {
  const name = await account(page);
  await page.goto("/signup");
  await page.getByLabel("Sign-in name").fill(name.toUpperCase());
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.locator("#username-error")).toContainText("taken");
});

for (const next of [
  "//evil.example",
  "/\\evil.example",
  "https:evil.example",
  "https://evil.example/",
  "javascript:alert(1)",
  "%2F%2Fevil.example",
  "/\t/evil.example",
]) {
  test(`signing in never redirects to another site: ${JSON.stringify(next)}`, async ({ page, baseURL }) => {
    const name = await account(page);
    await page.goto(`/login?next=${encodeURIComponent(next)}`);
    const field = page.locator("input[name=next]");
    await expect(field).toHaveValue("/dashboard");
    // Simulate a page that was tampered with.
    await field.evaluate((input, value) => input.setAttribute("value", value), next);
    await expect(field).toHaveValue(next);
    await signIn(page, name);
    await expect(page.getByRole("heading", { name: "Dashboard" })).toBeVisible();
    expect(new URL(page.url()).origin).toBe(baseURL);
  });
}

test("an unknown address shows a page with a link to the home page", async ({ page }) => {
  const answer = await page.goto("/nowhere");
  expect(answer?.status()).toBe(404);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Page not found");
  await expect(page.getByRole("link", { name: "Go to the home page" })).toHaveAttribute("href", "/");
});
