// lighthouse.mjs CHROMIUM URL NAME PASSWORD TIMES: prints the scores of three pages as JSON. Each page is measured TIMES times.
import lighthouse from "lighthouse";
import { open, signIn } from "./signed-in.mjs";

const [chromium, url, name, password, times] = process.argv.slice(2);
const scores = {};
const failed = {};
const browser = await open(chromium);
for (const path of ["/login", "/signup", "/dashboard"]) {
  for (let round = 0; round < Number(times); round++) {
    // Each round has a new context with an empty cache. The visitor is anonymous except for the dashboard.
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    if (path === "/dashboard") await signIn(page, url, name, password);
    const { lhr } = await lighthouse(url + path, { logLevel: "error", disableStorageReset: path === "/dashboard" }, undefined, page);
    if (lhr.runtimeError) throw new Error(`${path}: ${lhr.runtimeError.message}`);
    if (new URL(lhr.finalDisplayedUrl).pathname !== path) throw new Error(`${path} led to ${lhr.finalDisplayedUrl}`);
    for (const [category, { score, auditRefs }] of Object.entries(lhr.categories)) {
      ((scores[path] ??= {})[category] ??= []).push(Math.round(score * 100));
      for (const { id, weight } of auditRefs) {
        const audit = lhr.audits[id];
        if (weight > 0 && audit.score !== null && audit.score < 0.9) (failed[path] ??= {})[id] = audit.title;
      }
    }
    await context.close();
  }
}
await browser.close();
console.log(JSON.stringify({ scores, failed }));
