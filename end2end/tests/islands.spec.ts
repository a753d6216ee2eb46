import { PASSWORD, expect, freshName, hydrated, signUp, test } from "./support.js";

test("every page is hydrated without console messages", async ({ page }) => {
  for (const path of ["/", "/login", "/signup", "/docs"]) {
    await page.goto(path);
    await hydrated(page);
  }
  await signUp(page, freshName());
  for (const path of ["/", "/dashboard", "/sessions", "/account", "/docs"]) {
    await page.goto(path);
    await hydrated(page);
  }
});

test("hints check a name and a password while they are typed", async ({ page }) => {
  await page.goto("/signup");
  await hydrated(page);
  const name = page.getByLabel("Sign-in name");
  const hint = page.locator("#username-hint");
  await name.fill("Ad");
  await expect(hint).toHaveAttribute("data-state", "wrong");
  await name.fill("Ada.Lovelace");
  await expect(hint).toHaveAttribute("data-state", "ok");
  await expect(hint).toContainText("ada.lovelace");
  const password = page.getByLabel("Password", { exact: true });
  await password.fill("Ada.Lovelace");
  await expect(page.locator("#password-hint")).toContainText("must not be the sign-in name");
  await password.fill(PASSWORD);
  await expect(page.locator("#password-hint")).toHaveAttribute("data-state", "ok");
});

for (const { path, label } of [
  { path: "/signup", label: "Password" },
  { path: "/account", label: "New password" },
]) {
  test(`the hint counts the characters of a new password while it is typed: ${path}`, async ({ page }) => {
    if (path === "/account") await signUp(page, freshName());
    await page.goto(path);
    await hydrated(page);
    const input = page.getByLabel(label, { exact: true });
    const hint = page.locator("#password-hint");
    const wanted = (await hint.textContent()) ?? "";
    expect(wanted).toContain("8 to 128 characters");
    await expect(hint).not.toHaveAttribute("data-state");
    await expect(hint).toHaveAttribute("aria-live", "polite");
    await expect(input).toHaveAttribute("aria-describedby", /(^| )password-hint( |$)/);
    // Press one key after the other, as a user does. The hint must be updated with each key.
    const hints: string[] = [];
    for (const key of PASSWORD) {
      await input.press(key === " " ? "Space" : key);
      const state = await hint.getAttribute("data-state");
      const said = `${state}: ${await hint.textContent()}`;
      if (hints.at(-1) !== said) hints.push(said);
    }
    expect(hints).toEqual([
      ...[7, 6, 5, 4, 3, 2].map((missing) => `null: ${missing} more characters.`),
      "null: 1 more character.",
      "ok: Long enough. Longer is better.",
    ]);
    await input.fill("e".repeat(129));
    await expect(hint).toHaveText("Use at most 128 characters.");
    await expect(hint).toHaveAttribute("data-state", "wrong");
    for (const common of ["passwordpassword1", "Password123!Password", "qwertyuiopasdfghjklzxcvbnm", "letmeinplease2024"]) {
      await input.fill(common);
      await expect(hint).toHaveText("Long enough. Longer is better.");
    }
    await input.fill("");
    await expect(hint).toHaveText(wanted);
    await expect(hint).not.toHaveAttribute("data-state");
  });
}

test("a password that is long enough for the hint is accepted", async ({ page }) => {
  await page.goto("/signup");
  await hydrated(page);
  await page.getByLabel("Sign-in name").fill(freshName());
  await page.getByLabel("Password", { exact: true }).fill("K7#pq!2x");
  await expect(page.locator("#password-hint")).toHaveAttribute("data-state", "ok");
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page).toHaveURL("/dashboard");
});

test("the server's error for a field disappears when something else is typed", async ({ page }) => {
  await page.goto("/signup");
  await page.getByLabel("Sign-in name").fill("admin");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.locator("#username-error")).toContainText("reserved");
  await hydrated(page);
  await page.getByLabel("Sign-in name").fill("ada.lovelace");
  await expect(page.locator("#username-error")).toBeEmpty();
  await expect(page.locator("#username")).not.toHaveAttribute("aria-invalid");
});

test("a password can be shown and hidden", async ({ page }) => {
  await page.goto("/login");
  await hydrated(page);
  const show = page.getByRole("button", { name: "Show password" });
  await show.click();
  await expect(page.locator("#password")).toHaveAttribute("type", "text");
  await expect(show).toHaveAttribute("aria-pressed", "true");
  await show.click();
  await expect(page.locator("#password")).toHaveAttribute("type", "password");
});

test("a form that was posted stays busy and is posted once", async ({ page }) => {
  await page.goto("/login");
  await hydrated(page);
  const posts: string[] = [];
  // An answer with status 204 leaves the page as it is, like a page that waits for a slow answer.
  await page.route("/api/log_in", async (route) => {
    posts.push(route.request().postData() ?? "");
    await route.fulfill({ status: 204 });
  });
  await page.getByLabel("Sign-in name").fill("nobody.here");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  const button = page.getByRole("main").getByRole("button", { name: "Sign in" });
  await button.click();
  await expect.poll(() => posts.length).toBe(1);
  await expect(button).toHaveAttribute("aria-busy", "true");
  await button.click();
  await button.press("Enter");
  // A second post would have been sent before this request.
  await page.evaluate(async () => void (await fetch("/health/live")));
  expect(posts).toEqual(["username=nobody.here&password=quiet+harbour+lantern&next=%2Fdashboard"]);
});

test("a sent form shows that it is pending and is not sent twice", async ({ page }) => {
  await page.goto("/login");
  await hydrated(page);
  await page.evaluate(() => {
    // Simulates a slow answer: the page stays, and notes what the form would have done.
    window.addEventListener("submit", (event) => {
      document.documentElement.append(new Comment(event.defaultPrevented ? "kept back" : "sent"));
      event.preventDefault();
    });
  });
  await page.getByLabel("Sign-in name").fill("ada");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  const button = page.getByRole("main").getByRole("button", { name: "Sign in" });
  await button.click();
  await expect(button).toHaveAttribute("aria-busy", "true");
  await button.click();
  const done = await page.evaluate(() =>
    [...document.documentElement.childNodes].filter((node) => node instanceof Comment).map((node) => node.data),
  );
  expect(done).toEqual(["sent", "kept back"]);
});

test("the countdown of the token runs", async ({ page }) => {
  await signUp(page, freshName());
  await hydrated(page);
  const countdown = page.locator("[data-countdown]");
  const first = await countdown.textContent();
  expect(first).toMatch(/^1[45]:\d\d$/);
  await expect(countdown).not.toHaveText(first ?? "");
  expect(await countdown.textContent()).toMatch(/^14:\d\d$/);
});

test("a line of code can be copied", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await signUp(page, freshName());
  await hydrated(page);
  const line = await page.locator("#curl-line").textContent();
  await page.getByRole("button", { name: "Copy" }).click();
  await expect(page.getByRole("button", { name: "Copied" })).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(line);
});

/** Changes a page as a translator does: moves its text into new elements. */
function translate() {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const nodes: Node[] = [];
  while (texts.nextNode()) nodes.push(texts.currentNode);
  for (const node of nodes.filter(({ textContent }) => textContent?.trim())) {
    const outer = document.createElement("font");
    const inner = outer.appendChild(document.createElement("font"));
    inner.textContent = node.textContent;
    node.parentNode?.replaceChild(outer, node);
  }
}

/** Changes a page as a browser extension does: inserts its own elements at the beginning of others. */
function extend() {
  for (const place of document.querySelectorAll("[data-island], [data-island] > *:not(input)")) {
    const foreign = document.createElement("span");
    foreign.append(document.createElement("input"));
    place.prepend(foreign);
  }
}

for (const [who, change] of [["an extension", extend], ["a translator", translate]] as const) {
  for (const when of ["before", "after"]) {
    test(`islands work when ${who} changes the page ${when} they are hydrated`, async ({ page }) => {
      let arrive = () => {};
      const changed = new Promise<void>((done) => (arrive = done));
      await page.route("**/*.wasm", async (route) => {
        await changed;
        await route.continue();
      });
      await page.goto("/signup", { waitUntil: "commit" });
      await expect(page.locator("footer")).toBeAttached();
      if (when === "before") await page.evaluate(change);
      arrive();
      await hydrated(page);
      // While requests are intercepted nothing is cached, and the browser logs a warning if the style sheet arrives late.
      await page.unroute("**/*.wasm");
      if (when === "after") await page.evaluate(change);

      await page.locator("#username").fill("Ad");
      await expect(page.locator("#username-hint")).toHaveAttribute("data-state", "wrong");
      await expect(page.locator("#username-hint")).toHaveText("Use at least 3 characters.");
      await page.locator("#username").fill(freshName("Ada"));
      await expect(page.locator("#username-hint")).toContainText("You will sign in as ada");
      await page.locator("#password").fill("short");
      await expect(page.locator("#password-hint")).toHaveText("3 more characters.");
      await page.getByRole("button", { name: "Show password" }).click();
      await expect(page.locator("#password")).toHaveAttribute("type", "text");
      await page.locator("#password").fill(PASSWORD);
      await page.locator("form.panel button[type=submit]").click();
      await expect(page).toHaveURL("/dashboard");
      await hydrated(page);
    });
  }
}
