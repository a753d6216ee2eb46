import type { Page } from "@playwright/test";
import { MAIN } from "./servers.js";
import { PASSWORD, expect, freshName, hydrated, signIn, signUp, test } from "./support.js";

/** Returns everything that a page could have stored in a browser, by kind of storage. */
function kept(page: Page) {
  return page.evaluate(async () => {
    const names = async (directory: FileSystemDirectoryHandle) => {
      const all: string[] = [];
      for await (const name of (directory as unknown as { keys(): AsyncIterable<string> }).keys()) all.push(name);
      return all;
    };
    return {
      cookiesThatScriptsSee: document.cookie,
      localStorage: Object.keys(localStorage),
      sessionStorage: Object.keys(sessionStorage),
      databases: (await indexedDB.databases()).map(({ name }) => name),
      caches: await caches.keys(),
      serviceWorkers: (await navigator.serviceWorker.getRegistrations()).map(({ scope }) => scope),
      files: await names(await navigator.storage.getDirectory()),
      historyState: history.state,
      windowName: window.name,
    };
  });
}

const NOTHING = {
  cookiesThatScriptsSee: "",
  localStorage: [],
  sessionStorage: [],
  databases: [],
  caches: [],
  serviceWorkers: [],
  files: [],
  historyState: null,
  windowName: "",
};

test("a browser stores nothing but HttpOnly cookies, from the first visit to the last", async ({ page, js }) => {
  const look = async (at: string) => {
    await hydrated(page, js);
    expect(await kept(page), at).toEqual(NOTHING);
  };
  const name = freshName();
  for (const path of ["/", "/login", "/signup", "/docs", "/nowhere"]) {
    await page.goto(path);
    await look(path);
  }
  await page.goto("/login");
  await signIn(page, name, "wrong password");
  await expect(page.getByRole("alert")).toBeVisible();
  await look("after a refused sign-in");

  await signUp(page, name);
  for (const path of ["/", "/dashboard", "/sessions", "/account", "/docs"]) {
    await page.goto(path);
    await look(`${path}, signed in`);
  }
  await page.goto("/account");
  await hydrated(page, js);
  await page.getByLabel("Current password").fill(PASSWORD);
  await page.getByLabel("New password").fill("another quiet harbour");
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page.getByText("Your password was changed.")).toBeVisible();
  await look("after a change of password");
  await page.getByLabel("Email (optional)").fill(`${name}@example.org`);
  await page.getByRole("button", { name: "Change email" }).click();
  await expect(page.getByText("Your email address was changed.")).toBeVisible();
  await look("after a change of email");

  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("status")).toHaveText("You are signed out.");
  await look("signed out");
  // The remaining cookie only tells that this device signed in before. It gives no access.
  expect((await page.context().cookies()).map(({ name }) => name)).toEqual(["latchkey-device"]);
  expect(page.context().serviceWorkers()).toEqual([]);
});

test("the check finds every kind of storage that a page can use", async ({ page, js }) => {
  test.skip(!js, "asynchronous code cannot run in a page without JavaScript");
  await page.goto("/nowhere");
  await page.evaluate(async () => {
    document.cookie = "seen=1";
    localStorage.setItem("seen", "1");
    sessionStorage.setItem("seen", "1");
    await new Promise((done) => (indexedDB.open("seen").onsuccess = done));
    await caches.open("seen");
    // The module of the islands does nothing when it is loaded, so it can serve as a service worker.
    const { href } = document.querySelector<HTMLLinkElement>("link[rel=modulepreload]")!;
    await navigator.serviceWorker.register(href, { type: "module" });
    await (await navigator.storage.getDirectory()).getFileHandle("seen", { create: true });
    history.replaceState("seen", "");
    window.name = "seen";
  });
  expect(await kept(page)).toEqual({
    cookiesThatScriptsSee: "seen=1",
    localStorage: ["seen"],
    sessionStorage: ["seen"],
    databases: ["seen"],
    caches: ["seen"],
    serviceWorkers: [`${MAIN}/assets/pkg/`],
    files: ["seen"],
    historyState: "seen",
    windowName: "seen",
  });
});
