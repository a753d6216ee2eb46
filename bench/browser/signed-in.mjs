// A browser, and a page of it that signs in.
import puppeteer from "puppeteer-core";

export function open(chromium) {
  return puppeteer.launch({
    executablePath: chromium,
    // As root, which is who runs things in containers, Chromium has no sandbox.
    args: process.getuid() === 0 ? ["--no-sandbox"] : [],
  });
}

export async function signIn(page, url, name, password) {
  await page.goto(`${url}/login`, { waitUntil: "load" });
  await page.type("input[name=username]", name);
  await page.type("input[name=password]", password);
  await Promise.all([page.waitForNavigation({ waitUntil: "load" }), page.keyboard.press("Enter")]);
  const path = new URL(page.url()).pathname;
  if (path !== "/dashboard") throw new Error(`signing in led to ${path}`);
}
