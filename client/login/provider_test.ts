import assert from "node:assert/strict";
import { AUDIENCE, CLIENT_ID, OidcProvider, Person } from "../../tests/support/oidc_provider.ts";
import type { LoginToken } from "../../shared/login/offer.ts";
import type { Tokens } from "./login.ts";
import { LoginError } from "./login_error.ts";
import { type BrowserRequest, MAX_PROVIDER_ANSWER_BYTES, Provider } from "./provider.ts";

const signal = () => AbortSignal.timeout(60_000);

const wishOf = ({ issuer }: OidcProvider, token: LoginToken = "access") => ({
  issuer,
  clientId: CLIENT_ID,
  scopes: [],
  resource: token === "access" ? AUDIENCE : undefined,
  token,
});

/** A login in a browser up to its answer. */
async function answered(server: OidcProvider, token?: LoginToken) {
  const provider = await Provider.discover(wishOf(server, token));
  const request = await provider.requestBrowser("http://127.0.0.1:9/callback");
  const { searchParams } = await new Person().logIn(request.url.href);
  const finish = (more: Partial<BrowserRequest> = {}): Promise<Tokens> =>
    provider.finishBrowser({ ...request, ...more }, searchParams, signal());
  return { provider, request, searchParams, finish };
}

Deno.test("a Provider believes an answer only with the state, nonce and verifier of its request", async (t) => {
  await using server = await OidcProvider.start();
  const table: [what: string, Partial<BrowserRequest>, says: RegExp][] = [
    ["another state", { state: "x".repeat(43) }, /an answer that cannot be used/],
    ["another nonce", { nonce: "x".repeat(43) }, /an answer that cannot be used.*nonce/],
    ["another verifier", { verifier: "x".repeat(43) }, /has ended/],
    ["another address", { redirectUri: "http://127.0.0.1:8/callback" }, /has ended/],
  ];
  for (const [what, more, says] of table) {
    await t.step(what, async () => {
      const { finish } = await answered(server);
      await assert.rejects(finish(more), (error: unknown) => {
        assert.ok(error instanceof LoginError);
        assert.match(error.message, says);
        // There may be tokens in it, and somebody could print it.
        assert.equal(error.cause, undefined);
        return true;
      });
    });
  }
  await t.step("its own, once", async () => {
    const { finish } = await answered(server);
    assert.equal((await finish()).subject, "alice");
    await assert.rejects(finish(), /has ended/);
  });
});

Deno.test("a Provider gives the ID token to a hub that wants it, and renews it", async () => {
  await using server = await OidcProvider.start({ lifetimeS: 600 });
  const { provider, finish } = await answered(server, "id");
  const tokens = await finish();
  assert.equal(tokens.lifetimeMs, 600_000);
  const login = { ...wishOf(server, "id"), hub: "", tokens };
  const renewed = await provider.renew(login);
  assert.notEqual(renewed.id, undefined);
  assert.notEqual(renewed.refresh, tokens.refresh);
  await assert.rejects(
    provider.renew({ ...login, tokens: { ...renewed, subject: "bob" } }),
    /the login of somebody else/,
  );
});

Deno.test("a Provider is believed in no answer without an end, and followed nowhere", async (t) => {
  await using server = await OidcProvider.start();
  const metadata = "/.well-known/openid-configuration";
  const table: [what: string, body: unknown, says: RegExp][] = [
    [
      "too much",
      "x".repeat(MAX_PROVIDER_ANSWER_BYTES + 1),
      /Cannot reach http\S+: its answer is too large/,
    ],
    ["no JSON", "<html>", /an answer that cannot be used/],
    ["nothing", "", /an answer that cannot be used/],
  ];
  for (const [what, body, says] of table) {
    await t.step(what, async () => {
      server.intercept = (path) => path === metadata ? { status: 200, body } : undefined;
      await assert.rejects(Provider.discover(wishOf(server)), says);
    });
  }
  await t.step("a redirect", async () => {
    server.intercept = (path) => path === metadata ? { status: 302, body: "" } : undefined;
    await assert.rejects(Provider.discover(wishOf(server)), /HTTP 302/);
  });
});

Deno.test("a Provider may say with another HTTP status that a person has not confirmed yet", async () => {
  await using server = await OidcProvider.start();
  const provider = await Provider.discover(wishOf(server));
  const { deviceCode } = await provider.requestDeviceCode(signal());
  // Dex says 401 where RFC 8628 means 400.
  for (const status of [400, 401]) {
    const body = { error: "authorization_pending" };
    server.intercept = (path) => path.endsWith("/token") ? { status, body } : undefined;
    assert.equal(await provider.pollDeviceCode(deviceCode, signal()), "pending");
  }
});
