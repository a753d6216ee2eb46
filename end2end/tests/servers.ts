/** The servers that the configuration starts. */
export const MAIN = "http://localhost:3210";
/** Its access tokens live for four seconds. */
export const SHORT = "http://localhost:3211";
/** Nobody has an account there yet: one for each project. */
export const FRESH = { withJavaScript: "http://localhost:3212", withoutJavaScript: "http://localhost:3213" };
