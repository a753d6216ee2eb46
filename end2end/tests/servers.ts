/** The main server. playwright.config.ts starts this and the other servers. */
export const MAIN = "http://localhost:3210";
/** Its access tokens expire after four seconds, its sessions after six. */
export const SHORT = "http://localhost:3211";
/** Its access tokens expire after four seconds, its sessions after the default time. */
export const RENEWING = "http://localhost:3214";
/** Signs its tokens with EdDSA, so that other services can verify them with its public key. */
export const SIGNING = "http://localhost:3215";
/** Servers without any account, one for each Playwright project. */
export const FRESH = { withJavaScript: "http://localhost:3212", withoutJavaScript: "http://localhost:3213" };
