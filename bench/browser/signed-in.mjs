// Opens a browser, and signs in on a page of it.
import puppeteer from "puppeteer-core";

export function open(chromium) {
  return puppeteer.launch({
    executablePath: chromium,
    // Chromium cannot use its sandbox as root, which is the usual user in containers.
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
