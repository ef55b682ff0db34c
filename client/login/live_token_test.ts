import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { AUDIENCE, CLIENT_ID, OidcProvider, Person } from "../../tests/support/oidc_provider.ts";
import { hubTest, runClient } from "../testing/fake_hub.ts";
import { deviceLogin } from "./device_login.ts";
import { LiveToken } from "./live_token.ts";
import type { Login } from "./login.ts";
import { LoginStore } from "./login_store.ts";
import { Provider } from "./provider.ts";

hubTest("a run over many servers renews its login whenever that is near its end", async (hub) => {
  await using server = await OidcProvider.start();
  // It is near its end as soon as it is there.
  server.rewrite = (path, body) => {
    if (path === "/token") body["expires_in"] = 0;
  };
  const dir = await Deno.makeTempDir();
  try {
    const wish = {
      issuer: server.issuer,
      clientId: CLIENT_ID,
      scopes: [],
      resource: AUDIENCE,
      token: "access" as const,
    };
    const provider = await Provider.discover(wish);
    const tokens = await deviceLogin(provider, {
      signal: AbortSignal.timeout(60_000),
      show: async ({ verificationUriComplete }) => {
        await new Person().confirmDevice(verificationUriComplete!);
      },
      wait: () => Promise.resolve(),
    });
    const env = { XDG_STATE_HOME: dir };
    const place = { context: "", hubs: [`http://${hub.address}`] };
    const store = await LoginStore.at(env, place);
    store.write({ ...wish, hub: hub.address, tokens });
    const names = ["a", "b", "c"];
    hub.script.servers = { servers: names.map((name) => ({ name, state: "ONLINE" })) };
    const words = ["fluentd", "status", "--all", "--parallel", "1", "-n", "-s", hub.address];
    const { code, err } = await runClient(words, { env });
    assert.equal(code, 0, err);
    const sent = hub.calls.map(({ metadata }) => metadata["authorization"]);
    assert.equal(sent.length, 1 + names.length);
    assert.equal(new Set(sent).size, sent.length, "a token was used again after its end");
    assert.equal(sent.at(-1), `Bearer ${store.read()!.tokens.access}`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** Runs it with a login that is over, and a folder of its own. */
async function withOldLogin(
  issuer: string,
  run: (store: LoginStore, login: Login) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const store = await LoginStore.at({ XDG_STATE_HOME: dir }, { context: "", hubs: ["hub:1"] });
    const tokens = { access: "old", refresh: "once", gotAtMs: 0, lifetimeMs: 1 };
    const login: Login = {
      ...{ hub: "hub:1", issuer, clientId: CLIENT_ID, scopes: [], resource: undefined },
      ...{ token: "access", tokens },
    };
    store.write(login);
    await run(store, login);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("Ctrl-C ends the wait for another gclient that renews the login", async () => {
  await withOldLogin("https://id.invalid", async (store, login) => {
    using _ = await store.lock();
    const end = new AbortController();
    const token = new LiveToken(store, login).fresh(end.signal);
    end.abort(new Error("Got SIGINT"));
    await assert.rejects(token, /Got SIGINT/);
  });
});

Deno.test("Ctrl-C ends the wait for a provider that is silent, before a token is spent", async () => {
  const asked = Promise.withResolvers<void>();
  const server = createServer(() => asked.resolve());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await withOldLogin(`http://127.0.0.1:${port}`, async (store, login) => {
      const end = new AbortController();
      const token = new LiveToken(store, login).fresh(end.signal);
      await asked.promise;
      end.abort(new Error("Got SIGINT"));
      await assert.rejects(token, /Got SIGINT/);
      assert.equal(store.read()?.tokens.refresh, "once");
    });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
