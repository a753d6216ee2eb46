/** The servers that the configuration starts. */
export const MAIN = "http://localhost:3210";
/** Its access tokens live for four seconds, its sessions for six. */
export const SHORT = "http://localhost:3211";
/** Its access tokens live for four seconds, its sessions for long. */
export const RENEWING = "http://localhost:3214";
/** Signs its tokens with a key that others can verify with. */
export const SIGNING = "http://localhost:3215";
/** Nobody has an account there yet: one for each project. */
export const FRESH = { withJavaScript: "http://localhost:3212", withoutJavaScript: "http://localhost:3213" };
