import assert from "node:assert/strict";
import { OidcProvider, Person } from "../../tests/support/oidc_provider.ts";
import { deviceLogin } from "./device_login.ts";
import { Provider } from "./provider.ts";
import { AUDIENCE, CLIENT_ID } from "../../tests/support/oidc_provider.ts";

/** A login at a real provider whose waits are written down, and not waited for. */
async function logIn(
  server: OidcProvider,
  onWait: (waits: readonly number[], address: string) => void | Promise<void>,
) {
  const wish = { issuer: server.issuer, clientId: CLIENT_ID, scopes: [], resource: AUDIENCE };
  const provider = await Provider.discover({ ...wish, token: "access" });
  const waits: number[] = [];
  let address = "";
  const result = await deviceLogin(provider, {
    signal: AbortSignal.timeout(60_000),
    show: ({ verificationUriComplete }) => {
      address = verificationUriComplete!;
      return Promise.resolve();
    },
    wait: async (ms) => {
      waits.push(ms);
      await onWait(waits, address);
    },
  }).catch((error: Error) => error.message);
  return { waits, result };
}

Deno.test("deviceLogin() asks at the provider's interval, and more slowly if it is told so", async () => {
  await using server = await OidcProvider.start();
  let told = 0;
  server.intercept = (path) =>
    path === "/token" && ++told === 2 ? { status: 400, body: { error: "slow_down" } } : undefined;
  const { waits, result } = await logIn(server, async (waits, address) => {
    if (waits.length === 4) await new Person().confirmDevice(address);
  });
  assert.equal(typeof result === "object" && result.subject, "alice");
  assert.deepEqual(waits, [5_000, 5_000, 10_000, 10_000]);
});

Deno.test("deviceLogin() ends with the code, by its own clock too", async () => {
  await using server = await OidcProvider.start();
  server.rewrite = (path, body) => {
    if (path === "/device/auth") Object.assign(body, { expires_in: 31, interval: 10 });
  };
  const { waits, result } = await logIn(server, () => {});
  assert.equal(result, "The code was not confirmed in time");
  assert.deepEqual(waits, [10_000, 10_000, 10_000]);
  server.intercept = (path) =>
    path === "/token" ? { status: 400, body: { error: "expired_token" } } : undefined;
  assert.equal((await logIn(server, () => {})).result, "The code was not confirmed in time");
});

Deno.test("deviceLogin() asks a provider that fails a few times more, and no more than that", async () => {
  await using server = await OidcProvider.start();
  let failures = 0;
  server.intercept = (path) =>
    path === "/token" && failures-- > 0 ? { status: 503, body: "" } : undefined;
  failures = 4;
  const passing = await logIn(server, async (waits, address) => {
    if (waits.length === 5) await new Person().confirmDevice(address);
  });
  assert.equal(typeof passing.result, "object", String(passing.result));
  failures = Infinity;
  const { waits, result } = await logIn(server, () => {});
  assert.match(String(result), /^Cannot reach http\S+: HTTP 503$/);
  assert.equal(waits.length, 5);
});

Deno.test("deviceLogin() tells of a provider that is gone", async () => {
  const server = await OidcProvider.start();
  const { result } = await logIn(server, async (waits) => {
    if (waits.length === 1) await server[Symbol.asyncDispose]();
  });
  assert.match(String(result), /^Cannot reach http/);
});
