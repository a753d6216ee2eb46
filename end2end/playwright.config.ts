import { resolve } from "node:path";
import { defineConfig, devices } from "@playwright/test";
import { LOGS } from "./tests/canaries.js";
import { FRESH, MAIN, RENEWING, SHORT, SIGNING } from "./tests/servers.js";

const binary = resolve(process.env.TEST_BINARY ?? "../target/release/latchkey");

/**
 * A server with its own data and without the `LATCHKEY_` variables of this environment. Its shell creates a temporary folder at the
 * start and removes it when the server has ended. The server logs at level trace, for the search of the logs at the end. The end
 * of the log is shown only if the server fails.
 */
function server(origin: string, settings: Record<string, string> = {}) {
  const { port } = new URL(origin);
  const log = `${LOGS}/${port}.log`;
  const inherited = Object.keys(process.env).filter((name) => name.startsWith("LATCHKEY_"));
  const environment = [
    ...inherited.map((name) => `-u ${name}`),
    `LATCHKEY_ADDR=127.0.0.1:${port}`,
    'LATCHKEY_DATA_DIR="$folder/data"',
    "LATCHKEY_LOG=trace",
    "LATCHKEY_LOG_FORMAT=json",
    ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
  ].join(" ");
  const folder = `folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && trap : TERM && cd "$folder"`;
  return {
    command: `mkdir -p "${LOGS}" && ${folder} && { env ${environment} "${binary}" serve >"${log}" 2>&1 || tail -n 5 "${log}" >&2; }`,
    url: `${origin}/health/ready`,
    reuseExistingServer: false,
    gracefulShutdown: { signal: "SIGTERM", timeout: 5_000 } as const,
  };
}

const withJavaScript = ["**/*.spec.ts"];
/** These tests run twice, with and without JavaScript. Tests that need JavaScript or no browser at all run once. */
const withoutJavaScript = ["journeys", "changes", "first-account", "accessibility", "hydration", "storage", "pasting", "hostile", "sessions-paging"].map((name) => `**/${name}.spec.ts`);

export default defineConfig({
  testDir: "tests",
  workers: 2,
  forbidOnly: true,
  reporter: "list",
  use: {
    ...devices["Desktop Chrome"],
    baseURL: MAIN,
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM || undefined,
      args: [
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--disable-quic",
      ],
    },
  },
  projects: [
    { name: "with JavaScript", testMatch: withJavaScript, teardown: "logs" },
    { name: "without JavaScript", testMatch: withoutJavaScript, use: { javaScriptEnabled: false }, teardown: "logs" },
    // The logs are searched after the tests, whichever tests ran and whether or not they passed.
    { name: "logs", testMatch: "**/logs.ts" },
  ],
  webServer: [
    server(MAIN),
    server(SHORT, { LATCHKEY_ACCESS_TTL: "4s", LATCHKEY_REFRESH_TTL: "6s", LATCHKEY_SESSION_MAX: "6s" }),
    server(RENEWING, { LATCHKEY_ACCESS_TTL: "4s" }),
    server(SIGNING, { LATCHKEY_JWT_ALG: "EdDSA" }),
    server(FRESH.withJavaScript),
    server(FRESH.withoutJavaScript),
  ],
});
