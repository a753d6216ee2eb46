import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import { noteForm, noteSetCookie } from "./canaries.js";
import { MAIN } from "./servers.js";

export type Answer = { status: number; headers: IncomingHttpHeaders; body: string };

/** Sends one request exactly as given. Follows no redirect, stores no cookie and decompresses nothing. */
export function ask(method: string, path: string, headers: OutgoingHttpHeaders = {}, body = ""): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(MAIN, { method, path, headers: { "content-length": Buffer.byteLength(body), ...headers } }, (response) => {
      response.headers["set-cookie"]?.forEach(noteSetCookie);
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Posts a form with the headers that a browser sends. */
export function post(path: string, fields: Record<string, string>, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  const browser = { accept: "text/html", origin: MAIN, "content-type": "application/x-www-form-urlencoded" };
  const body = new URLSearchParams(fields).toString();
  noteForm(body);
  return ask("POST", path, { ...browser, ...headers }, body);
}

/** Returns the access cookie of an answer, with its attributes. */
export function accessCookie(answer: Answer): string | undefined {
  return answer.headers["set-cookie"]?.find((cookie) => cookie.startsWith("latchkey="));
}
