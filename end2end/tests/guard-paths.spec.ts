import { connect } from "node:net";
import { expect, test } from "./support.js";

const PATHS = ["/dashboard", "/dashboard/", "/x/../dashboard", "//dashboard", "/%64ashboard", "/./dashboard", "/dashboard;a=b", "/DASHBOARD", "/dashboard%00"];

/** One request with the path exactly as written: no client in between that tidies it up. */
function raw(method: string, path: string, accept: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(3210, "127.0.0.1", () => {
      socket.write(`${method} ${path} HTTP/1.1\r\nHost: localhost:3210\r\nAccept: ${accept}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    });
    socket.on("data", (data) => (answer += data)).on("end", () => resolve(answer)).on("error", reject);
  });
}

for (const path of PATHS) {
  test(`no variant of a path shows the protected view: ${path}`, async () => {
    for (const method of ["GET", "HEAD", "POST"]) {
      for (const accept of ["text/html", "*/*"]) {
        const answer = await raw(method, path, accept);
        expect(answer).toMatch(/^HTTP\/1\.1 (303|400|404|405)/);
        expect(answer).not.toContain("data-protected-view");
        expect(answer).not.toMatch(/set-cookie/i);
      }
    }
  });
}
