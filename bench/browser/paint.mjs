// paint.mjs CHROMIUM URL NAME PASSWORD TEMPLATE-URL TIMES: prints the milliseconds until the first paint on a slow connection, as
// JSON.
import { open, signIn } from "./signed-in.mjs";

const [chromium, url, name, password, template, times] = process.argv.slice(2);
// The values of "Slow 4G" in Chromium's developer tools.
const slow = { offline: false, latency: 562.5, downloadThroughput: 180_000, uploadThroughput: 84_375 };

async function throttle(page) {
  const session = await page.createCDPSession();
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", slow);
}

/** Returns when the first content of the page was painted, in milliseconds since 1970. */
function painted(page) {
  return page.evaluate(
    () =>
      new Promise((resolve) => {
        new PerformanceObserver((list) => {
          for (const entry of list.getEntriesByName("first-contentful-paint")) resolve(performance.timeOrigin + entry.startTime);
        }).observe({ type: "paint", buffered: true });
      }),
  );
}

/** Returns the time from the click on a link to the first content of the next page, in milliseconds. */
async function click(page, path) {
  const next = page.waitForNavigation({ waitUntil: "load" });
  const clicked = await page.evaluate((path) => {
    const link = document.querySelector(`nav a[href="${path}"]`);
    const now = performance.timeOrigin + performance.now();
    link.click();
    return now;
  }, path);
  await next;
  return (await painted(page)) - clicked;
}

/** Opens a page with an empty cache. Returns the time until its first paint, and the result of `then`. */
async function first(address, then = () => {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await throttle(page);
  await page.goto(address, { waitUntil: "domcontentloaded" });
  const later = await then(page);
  const origin = await page.evaluate(() => performance.timeOrigin);
  const times = { painted: (await painted(page)) - origin, then: later };
  await context.close();
  return times;
}

const clicks = [];
const firstLoads = [];
const alive = [];
const ours = [];
const browser = await open(chromium);
for (let round = 0; round < Number(times); round++) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await signIn(page, url, name, password);
  await throttle(page);
  clicks.push(await click(page, "/sessions"));
  clicks.push(await click(page, "/dashboard"));
  ours.push((await first(`${url}/login`)).painted);
  const theirs = await first(template, async (page) => {
    await page.waitForFunction(() => {
      const button = document.querySelector("button");
      button.click();
      return !button.textContent.includes("0");
    }, { polling: 10 });
    return page.evaluate(() => performance.now());
  });
  firstLoads.push(theirs.painted);
  alive.push(theirs.then);
  await context.close();
}
await browser.close();
console.log(JSON.stringify({ clicks, firstLoads, alive, ours }));
