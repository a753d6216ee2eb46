import { spawnSync } from "node:child_process";
import * as oauth from "oauth4webapi";
import { MAIN } from "./servers.js";
import { PASSWORD, account, expect, freshName, signUp, test } from "./support.js";

test("an OAuth client library gets a token and calls the protected route", async ({ page }) => {
  const name = await account(page);
  const server: oauth.AuthorizationServer = { issuer: MAIN, token_endpoint: `${MAIN}/token` };
  const client: oauth.Client = { client_id: "a-program" };
  const options = { [oauth.allowInsecureRequests]: true };
  const answer = await oauth.genericTokenEndpointRequest(server, client, oauth.None(), "password", { username: name, password: PASSWORD }, options);
  const token = await oauth.processGenericTokenEndpointResponse(server, client, answer);
  expect(token.token_type).toBe("bearer");
  expect(token.expires_in).toBe(900);
  const greeting = await oauth.protectedResourceRequest(token.access_token, "GET", new URL(`${MAIN}/protected`), undefined, undefined, options);
  expect(await greeting.json()).toEqual({ message: `Hello, ${name}! This is a protected route.` });
});

test("an OAuth client library finds the server, refreshes, introspects and revokes", async ({ page }) => {
  const name = await account(page);
  const options = { [oauth.allowInsecureRequests]: true };
  const found = await oauth.discoveryRequest(new URL(MAIN), { ...options, algorithm: "oauth2" });
  const server = await oauth.processDiscoveryResponse(new URL(MAIN), found);
  const client: oauth.Client = { client_id: "a-program" };
  const password = await oauth.genericTokenEndpointRequest(server, client, oauth.None(), "password", { username: name, password: PASSWORD }, options);
  const first = await oauth.processGenericTokenEndpointResponse(server, client, password);
  const refresh = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), first.refresh_token ?? "", options);
  const second = await oauth.processRefreshTokenResponse(server, client, refresh);
  expect(second.refresh_token).not.toBe(first.refresh_token);

  const asked = async (token: string) => {
    const itself: oauth.ClientAuth = (_server, _client, _body, headers) => headers.set("authorization", `Bearer ${second.access_token}`);
    const answer = await oauth.introspectionRequest(server, client, itself, token, options);
    return oauth.processIntrospectionResponse(server, client, answer);
  };
  expect(await asked(second.access_token)).toMatchObject({ active: true, username: name, iss: MAIN });
  expect(await asked("nothing")).toEqual({ active: false });

  const revoked = await oauth.revocationRequest(server, client, oauth.None(), second.refresh_token ?? "", options);
  await oauth.processRevocationResponse(revoked);
  const dead = await fetch(`${MAIN}/protected`, { headers: { Authorization: `Bearer ${second.access_token}` } });
  expect(dead.status).toBe(401);
});

test("an OAuth client library understands a refusal", async ({ page }) => {
  const name = await account(page);
  const server: oauth.AuthorizationServer = { issuer: MAIN, token_endpoint: `${MAIN}/token` };
  const client: oauth.Client = { client_id: "a-program" };
  const options = { [oauth.allowInsecureRequests]: true };
  const answer = await oauth.genericTokenEndpointRequest(server, client, oauth.None(), "password", { username: name, password: "wrong password" }, options);
  const refusal = await oauth.processGenericTokenEndpointResponse(server, client, answer).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(oauth.ResponseBodyError);
  expect((refusal as oauth.ResponseBodyError).error).toBe("invalid_grant");
});

test("a program written for the tutorial works with a real name and password", async ({ page }) => {
  const username = await account(page);
  const answer = await fetch(`${MAIN}/token`, { method: "POST", body: new URLSearchParams({ username, password: PASSWORD }) });
  const { access_token, token_type } = (await answer.json()) as { access_token: string; token_type: string };
  expect(token_type).toBe("bearer");
  const greeting = await fetch(`${MAIN}/protected`, { headers: { Authorization: `Bearer ${access_token}` } });
  expect(await greeting.json()).toEqual({ message: `Hello, ${username}! This is a protected route.` });
  const wrong = await fetch(`${MAIN}/token`, { method: "POST", body: new URLSearchParams({ username, password: "wrong password" }) });
  expect([wrong.status, await wrong.json()]).toEqual([400, { error: "invalid_grant", error_description: "The sign-in name or the password is wrong." }]);
  const without = await fetch(`${MAIN}/protected`);
  expect([without.status, without.headers.get("www-authenticate"), await without.json()]).toEqual([401, "Bearer", { detail: "Not authenticated" }]);
  const bad = await fetch(`${MAIN}/protected`, { headers: { Authorization: "Bearer bad" } });
  expect([bad.status, bad.headers.get("www-authenticate"), await bad.json()]).toEqual([401, "Bearer", { detail: "Could not validate credentials" }]);
});

test("the dashboard's curl line works when it is pasted", async ({ page }) => {
  const name = freshName();
  await signUp(page, name);
  const line = (await page.locator("#curl-line").textContent()) ?? "";
  const shell = spawnSync("bash", ["-c", line.trim()], { input: `${PASSWORD}\n`, encoding: "utf8" });
  expect(shell.stdout).toContain(`{"message":"Hello, ${name}! This is a protected route."}`);
});

test("the forms of the API page call the API", async ({ page }) => {
  const name = await account(page);
  await page.goto("/docs");
  const tries = (id: string) => page.locator(`#${id}`);
  await tries("get-health-live").getByRole("button", { name: "Send" }).click();
  await expect(tries("get-health-live").locator("output")).toContainText("200");

  await tries("post-token").getByLabel("username").fill(name);
  await tries("post-token").getByLabel("password").fill(PASSWORD);
  await tries("post-token").getByRole("button", { name: "Send" }).first().click();
  await expect(tries("post-token").locator("output")).toContainText("access_token");
  const answer = (await tries("post-token").locator("output").textContent()) ?? "";
  const [, token] = answer.match(/"access_token":"([^"]+)"/) ?? [];
  await tries("get-protected").getByLabel("Access token").fill(token);
  await tries("get-protected").getByRole("button", { name: "Send" }).click();
  await expect(tries("get-protected").locator("output")).toContainText(`Hello, ${name}!`);

  const [, refresh] = answer.match(/"refresh_token":"([^"]+)"/) ?? [];
  await tries("post-token").getByLabel("refresh_token").fill(refresh);
  await tries("post-token").getByRole("button", { name: "Send" }).last().click();
  await expect(tries("post-token").locator("output")).not.toContainText(token);
  await expect(tries("post-token").locator("output")).toContainText("access_token");
});
