import type { Page } from "@playwright/test";
import { post } from "./http.js";
import { MAIN } from "./servers.js";
import { PASSWORD, account, expect, freshName, hydrated, signIn, signUp, test } from "./support.js";

/** Each string runs code, changes the page or disguises itself if it is not treated as plain text. */
const STRINGS = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  '"><svg/onload=alert(1)>',
  "' autofocus onfocus=alert(1) x='",
  "</textarea></title></script><script>alert(1)</script>",
  "--><!--<iframe src=javascript:alert(1)>",
  `<base href="https://evil.example/"><style>@import'/x.css'</style><form>`,
  "javascript:alert(1)",
  "&lt;b&gt;&#60;script&#62;&quot",
  "{{constructor.constructor('alert(1)')()}}${alert(1)}",
  "a\u2028alert(1)\u2029b",
  "\u202Eadmin\u202C<b>\u2066x",
];

/** Returns the structure of a page: its elements and the names of their attributes, without any text or value. */
function skeleton(page: Page): Promise<string[]> {
  return page.locator("*").evaluateAll((all) => all.map((element) => `${element.localName} ${element.getAttributeNames().sort().join(" ")}`));
}

// The `quiet` fixture fails every test that violates the content security policy or sends a request to another host.
test.beforeEach(async ({ page }) => {
  // The pages look different as long as there is no account at all. Create one, so that other tests running at the same time do not
  // change that.
  await account(page);
  page.on("dialog", async (dialog) => {
    await dialog.dismiss();
    throw new Error(`a dialog: ${dialog.message()}`);
  });
});

test("input at sign-up is shown as plain text", async ({ page, js }) => {
  test.setTimeout(90_000);
  const send = async (name: string, email: string) => {
    await page.goto("/signup");
    await hydrated(page, js);
    const before = await skeleton(page);
    await page.getByLabel("Password", { exact: true }).fill(`${email} as a password`);
    await page.getByLabel("Email (optional)").fill(email);
    // Fill in the name last, so that its hint refers to the complete form.
    await page.getByLabel("Sign-in name").fill(name);
    const typed = js ? await skeleton(page) : before;
    await page.getByRole("button", { name: "Create account" }).click();
    await expect(page.locator("#username-error")).not.toBeEmpty();
    await hydrated(page, js);
    return { typed, refused: await skeleton(page) };
  };
  const harmless = await send("a b", "no address");
  for (const string of STRINGS) {
    const email = `${string} by mail`;
    expect(await send(string, email), string).toEqual(harmless);
    await expect(page.getByLabel("Sign-in name"), string).toHaveValue(string);
    await expect(page.getByLabel("Email (optional)"), string).toHaveValue(email);
    await expect(page.getByRole("main")).toContainText("does not look like an email address");
  }
});

test("input at sign-in is shown as plain text", async ({ page, js }) => {
  test.setTimeout(90_000);
  const send = async (name: string) => {
    await page.goto("/login");
    await hydrated(page, js);
    await signIn(page, name, "wrong password");
    await expect(page.getByRole("alert")).toHaveText("The sign-in name or the password is wrong.");
    await hydrated(page, js);
    return skeleton(page);
  };
  const harmless = await send("nobody.here");
  for (const string of STRINGS) {
    expect(await send(string), string).toEqual(harmless);
    await expect(page.getByLabel("Sign-in name"), string).toHaveValue(string);
  }
});

test("the next parameter never produces a link to another site", async ({ page, js }) => {
  test.setTimeout(90_000);
  for (const path of ["/login", "/signup"]) {
    await page.goto(`${path}?next=%2Faccount`);
    await hydrated(page, js);
    const harmless = await skeleton(page);
    for (const next of STRINGS.flatMap((string) => [string, `/${string}`])) {
      await page.goto(`${path}?next=${encodeURIComponent(next)}`);
      await hydrated(page, js);
      expect(await skeleton(page), next).toEqual(harmless);
      const kept = /^\/(?!\/)[!-[\]-~]*$/.test(next);
      await expect(page.locator("input[name=next]"), next).toHaveValue(kept ? next : "/dashboard");
      for (const link of await page.locator("a").evaluateAll((links) => (links as HTMLAnchorElement[]).map(({ href }) => href))) {
        expect(new URL(link).origin, next).toBe(MAIN);
      }
    }
  }
});

for (const next of ['/nowhere/"><script>alert(1)</script>', "/nowhere/'autofocus/onfocus=alert(1)/x='", "/account?x=</title><img/src=x/onerror=alert(1)>"]) {
  test(`a page that signing in redirects to treats its own address as plain text: ${next}`, async ({ page, js, context }) => {
    const [, here] = next.match(/^(\/\w+)/) ?? [];
    const go = async (to: string) => {
      await context.clearCookies();
      const name = await account(page);
      await page.goto(`/login?next=${encodeURIComponent(to)}`);
      await hydrated(page, js);
      await signIn(page, name);
      await expect(page).toHaveURL(new URL(to, MAIN).href);
      await hydrated(page, js);
      await expect(page.getByRole("heading", { level: 1 })).toHaveText(here === "/nowhere" ? "Page not found" : "Account");
      return skeleton(page);
    };
    const harmless = await go(here);
    expect(await go(next)).toEqual(harmless);
  });
}

/** Returns the name and version that the pages show for a program. */
function inWords(userAgent: string): string {
  // A header that is not ASCII is ignored.
  const [first = ""] = /^[\x20-\x7e]*$/.test(userAgent) ? userAgent.trim().split(/\s+/) : [];
  const [name, ...version] = first.split("/");
  return `${name} ${version.join("/")}`.trim();
}

test("a User-Agent header is shown as plain text", async ({ page, js, context }) => {
  test.setTimeout(90_000);
  /** Returns the pages of a user after an API client and another browser with this User-Agent signed in to the same account. */
  const show = async (userAgent: string) => {
    const username = freshName();
    // Send the bytes as they are, because a header has no encoding.
    const called = { "user-agent": Buffer.from(userAgent).toString("latin1") };
    await context.clearCookies();
    expect((await page.request.post("/api/sign_up", { form: { username, password: PASSWORD }, headers: { accept: "application/json" } })).status()).toBe(200);
    expect((await post("/token", { username, password: PASSWORD }, called)).status).toBe(200);
    expect((await post("/api/log_in", { username, password: PASSWORD }, called)).status).toBe(303);
    const pages: string[][] = [];
    const texts: string[] = [];
    for (const path of ["/dashboard", "/sessions"]) {
      await page.goto(path);
      await hydrated(page, js);
      pages.push(await skeleton(page));
      texts.push(await page.getByRole("main").innerText());
    }
    return { pages, texts };
  };
  const harmless = await show("program/1.0");
  for (const string of STRINGS) {
    const { pages, texts } = await show(string);
    expect(pages, string).toEqual(harmless.pages);
    const words = inWords(string) ? [inWords(string)] : ["A program", "A browser"];
    for (const word of words) {
      for (const text of texts) expect(text, string).toContain(word);
      const buttons = page.getByRole("button", { name: `End the session of ${word}`, exact: true });
      await expect(buttons, string).toHaveCount(2 / words.length);
    }
  }
});

for (const email of ["a&ltb&gt&ampc@example.org", "'autofocus'onfocus=alert`1`@example.org", "${alert`1`}{{7*7}}@example.org"]) {
  test(`a stored email address is shown as plain text: ${JSON.stringify(email)}`, async ({ page, js, context }) => {
    const change = async (to: string) => {
      await context.clearCookies();
      await signUp(page, freshName());
      await page.goto("/account");
      await page.getByLabel("Email (optional)").fill(to);
      await page.getByRole("button", { name: "Change email" }).click();
      await expect(page.getByText("Your email address was changed.")).toBeVisible();
      await hydrated(page, js);
      const account = await skeleton(page);
      await expect(page.getByLabel("Email (optional)")).toHaveValue(to);
      await expect(page.locator("dt:text-is('Email') + dd")).toHaveText(to);
      await page.goto("/dashboard");
      await hydrated(page, js);
      await expect(page.locator("dt:text-is('Email') + dd")).toHaveText(to);
      return { account, dashboard: await skeleton(page) };
    };
    const harmless = await change("ada@example.org");
    expect(await change(email)).toEqual(harmless);
  });
}
