/**
 * `gclient login` and `logout` with a real provider and a real hub whose auth file trusts it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { SignalError } from "../shared/cli/signals.ts";
import { runClient } from "../client/testing/fake_hub.ts";
import { asBuilt } from "./support/as_built.ts";
import { LoginWorld } from "./support/login_world.ts";
import { CLIENT_ID, OidcProvider, Person } from "./support/oidc_provider.ts";
import { Process } from "./support/process.ts";

const HOUR_MS = 3_600_000;
const UNAUTHENTICATED = 80;

const confirm = (address: string) => new Person().confirmDevice(address);

/** Nothing that gclient wrote has a token in it. */
async function assertNoTokens(world: LoginWorld): Promise<void> {
  const { tokens } = await world.kept();
  for (const token of [tokens.access, tokens.id, tokens.refresh]) {
    assert.ok(token !== undefined && token.length > 20);
    assert.ok(!world.written.includes(token), "gclient has written a token");
  }
}

Deno.test("gclient logs in by device code, calls as that operator, and logs out", async (t) => {
  await using world = await LoginWorld.start();

  await t.step("before it, the hub says where, and gclient what to do", async () => {
    const { code, err } = await world.gclient(["auth", "whoami"]);
    assert.equal(code, UNAUTHENTICATED);
    assert.match(err, new RegExp(`hint: Log in: gclient login -s ${world.hub.callAddress}`));
  });
  await t.step("it needs no terminal and no browser of this machine", async () => {
    const { code, err, out } = await world.login(["-v"], confirm);
    assert.equal(code, 0, err);
    assert.equal(out, "");
    assert.match(err, /Logged in to 127\.0\.0\.1:\d+ as alice@corp\n/);
  });
  await t.step("what is kept is its owner's alone", async () => {
    const [file = ""] = await world.files();
    assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
    assert.equal(Deno.statSync(`${world.dir}/state/gclient/logins`).mode! & 0o777, 0o700);
  });
  await t.step("calls take the token, which shows nowhere", async () => {
    for (const args of [["auth", "whoami", "-v"], ["doctor", "--bundle", `${world.dir}/b.json`]]) {
      const { code, out, err } = await world.gclient(args);
      assert.equal(code, 0, err);
      assert.match(out, /alice@corp/);
    }
    world.written += await Deno.readTextFile(`${world.dir}/b.json`);
    await assertNoTokens(world);
  });
  await t.step("another token counts before it", async () => {
    const { code } = await world.gclient(["auth", "whoami"], {
      env: { GCLIENT_TOKEN: "x".repeat(40) },
    });
    assert.equal(code, UNAUTHENTICATED);
  });
  await t.step("logging out forgets it, here and at the provider", async () => {
    const { issuer, tokens: { refresh = "" } } = await world.kept();
    const { code, err } = await world.gclient(["logout"]);
    assert.equal(code, 0, err);
    assert.deepEqual(await world.files(), []);
    const response = await fetch(`${issuer}/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "refresh_token",
        refresh_token: refresh,
        client_id: CLIENT_ID,
      }),
    });
    assert.equal((await response.json()).error, "invalid_grant");
    assert.equal((await world.gclient(["auth", "whoami"])).code, UNAUTHENTICATED);
    assert.match((await world.gclient(["logout"])).err, /Nobody is logged in/);
  });
});

Deno.test("gclient logs in by a browser with PKCE, and no other answer than the provider's counts", async () => {
  await using world = await LoginWorld.start();
  let strange: Response | undefined;
  const { code, err } = await world.login(["--flow", "browser"], async (address) => {
    const asked = new URL(address).searchParams;
    assert.equal(asked.get("code_challenge_method"), "S256");
    const back = asked.get("redirect_uri")!;
    // Anybody on this machine can reach the port.
    strange = await fetch(`${back}?code=stolen&state=wrong&iss=${world.provider.issuer}`);
    assert.match(await strange.text(), /not the answer/);
    const answer = await new Person().logIn(address);
    await (await fetch(answer)).body?.cancel();
  });
  assert.equal(code, 0, err);
  assert.equal(strange?.status, 400);
  assert.match(err, /Logged in to .* as alice@corp/);
  assert.equal((await world.gclient(["auth", "whoami"])).code, 0);
  await assertNoTokens(world);
});

Deno.test("gclient takes a browser where the provider has no device codes", async () => {
  await using world = await LoginWorld.start({ deviceFlow: false, revocation: false });
  const { code, err } = await world.login([], async (address) => {
    await (await fetch(await new Person().logIn(address))).body?.cancel();
  });
  assert.equal(code, 0, err);
  assert.match((await world.gclient(["login", "--flow", "device"])).err, /gives no device codes/);
  const { code: out, err: said } = await world.gclient(["logout"]);
  assert.equal(out, 0);
  assert.match(said, /has no way to end a login/);
});

Deno.test("a login that comes to nothing keeps nothing, and says why", async (t) => {
  await using world = await LoginWorld.start();
  const table: [
    what: string,
    () => ReturnType<LoginWorld["gclient"]>,
    code: number,
    says: RegExp,
  ][] = [
    [
      "a person says no",
      () => world.login([], (address) => new Person().denyDevice(address)),
      1,
      /error: The login at http\S+ was denied/,
    ],
    [
      "the hub knows no such operator",
      () => world.login([], (address) => new Person("bob").confirmDevice(address)),
      UNAUTHENTICATED,
      /knows you as bob \(claim sub\).*\n(?:.*\n)*.*of no operator/,
    ],
    [
      "the hub trusts another issuer",
      () => world.gclient(["login", "--issuer", "https://evil.example"]),
      2,
      /error: The hub trusts the issuer http\S+, not https:\/\/evil\.example/,
    ],
    [
      "the provider does not know the client",
      () => world.gclient(["login", "--client-id", "stranger"]),
      1,
      /invalid_client|does not know this client/,
    ],
    [
      "the answer is of another provider (mix-up)",
      () =>
        world.login(["--flow", "browser"], async (address) => {
          const answer = await new Person().logIn(address);
          answer.searchParams.set("iss", "https://evil.example");
          await (await fetch(answer)).body?.cancel();
        }),
      1,
      /an answer that cannot be used/,
    ],
    [
      "the browser brings back a refusal",
      () =>
        world.login(["--flow", "browser"], async (address) => {
          const { searchParams: asked } = new URL(address);
          const answer = new URL(asked.get("redirect_uri")!);
          answer.searchParams.set("error", "access_denied");
          answer.searchParams.set("iss", world.provider.issuer);
          answer.searchParams.set("state", asked.get("state")!);
          await (await fetch(answer)).body?.cancel();
        }),
      1,
      /was denied/,
    ],
    [
      "the provider's metadata are of another issuer",
      () => {
        world.provider.intercept = (path) =>
          path === "/.well-known/openid-configuration"
            ? { status: 200, body: { issuer: "https://evil.example" } }
            : undefined;
        return world.gclient(["login"]);
      },
      1,
      /an answer that cannot be used/,
    ],
    [
      "the provider is ill",
      () => {
        world.provider.intercept = () => ({ status: 503, body: "" });
        return world.gclient(["login"]);
      },
      1,
      /error: Cannot reach http\S+: HTTP 503/,
    ],
  ];
  for (const [what, run, expected, says] of table) {
    await t.step(what, async () => {
      const { code, err } = await run();
      assert.match(err, says);
      assert.equal(code, expected, err);
      assert.deepEqual(await world.files(), []);
    });
  }
});

Deno.test("Ctrl-C ends a login while it waits for a person", async (t) => {
  await using world = await LoginWorld.start();
  for (const flow of ["device", "browser"]) {
    await t.step(flow, async () => {
      const interrupt = new AbortController();
      const { code } = await world.login(
        ["--flow", flow],
        () => Promise.resolve(interrupt.abort(new SignalError("SIGINT"))),
        { signal: interrupt.signal },
      );
      assert.equal(code, 130);
      assert.deepEqual(await world.files(), []);
    });
  }
});

Deno.test("a hub that tells no issuer is logged in to by naming it", async () => {
  await using world = await LoginWorld.start({ login: "" });
  const nowhere = await world.gclient(["login"]);
  assert.equal(nowhere.code, 2);
  assert.match(nowhere.err, /does not tell where to log in\nhint: Name it with --issuer/);
  const named = ["--issuer", world.provider.issuer];
  assert.match((await world.gclient(["login", ...named])).err, /hint: Name it with --client-id/);
  const { code, err } = await world.login([...named, "--client-id", CLIENT_ID], confirm);
  assert.equal(code, 0, err);
});

Deno.test("a hub that nothing proves names no issuer, and is not even asked", async () => {
  for (const flags of [[], ["--tls-insecure-skip-verify"], ["--issuer", "https://id.example"]]) {
    const { code, err } = await runClient(["login", "-s", "hub.invalid:9090", ...flags], {
      env: { HOME: "/nonexistent" },
    });
    assert.equal(code, 2, err);
    assert.match(
      err,
      /Nothing proves that hub\.invalid:9090 is the hub.*\nhint: Add --tls, or name/,
    );
  }
});

Deno.test("a login is renewed when its end is near, once for all who call at that moment", async (t) => {
  await using world = await LoginWorld.start();
  assert.equal((await world.login([], confirm)).code, 0);
  const { provider } = world;

  await t.step("not before", async () => {
    const before = provider.count("/token");
    assert.equal((await world.gclient(["auth", "whoami"])).code, 0);
    assert.equal(provider.count("/token"), before);
  });
  await t.step("by one of three", async () => {
    const first = await world.kept();
    await world.age(HOUR_MS - 30_000);
    const before = provider.count("/token");
    const all = await Promise.all([1, 2, 3].map(() => world.gclient(["auth", "whoami"])));
    assert.deepEqual(all.map(({ code }) => code), [0, 0, 0]);
    assert.equal(provider.count("/token") - before, 1);
    const { tokens } = await world.kept();
    assert.notEqual(tokens.access, first.tokens.access);
    assert.notEqual(tokens.refresh, first.tokens.refresh);
    await assertNoTokens(world);
  });
  await t.step("by processes with a program's own rights", async () => {
    await world.age(HOUR_MS + 30_000);
    const before = provider.count("/token");
    const words = [...asBuilt("gclient"), "auth", "whoami", "-s", world.hub.callAddress];
    const all = await Promise.all([1, 2].map(() => Process.run(words, { env: world.env })));
    for (const { code, stdout, stderr } of all) {
      assert.equal(code, 0, stderr);
      assert.match(stdout, /alice@corp/);
    }
    assert.equal(provider.count("/token") - before, 1);
  });
  await t.step("a provider that is ill does not matter before the end", async () => {
    await world.age(HOUR_MS - 55_000);
    provider.intercept = () => ({ status: 503, body: "" });
    assert.equal((await world.gclient(["auth", "whoami"])).code, 0);
  });
  await t.step("after it, the error says who cannot be reached", async () => {
    await world.age(60_000);
    const { code, err } = await world.gclient(["auth", "whoami"]);
    assert.equal(code, 78);
    assert.match(err, /Cannot reach http\S+: HTTP 503/);
  });
  await t.step("a login that was ended there says so, and is not guessed at", async () => {
    provider.intercept = (path) =>
      path === "/token" ? { status: 400, body: { error: "invalid_grant" } } : undefined;
    const { code, err } = await world.gclient(["auth", "whoami"]);
    assert.equal(code, UNAUTHENTICATED);
    assert.match(err, /The login at http\S+ has ended/);
    assert.match(err, /hint: Log in again: gclient login -s/);
  });
  await t.step("logging out of a provider that is gone still forgets", async () => {
    provider.intercept = () => ({ status: 503, body: "" });
    const { code, err } = await world.gclient(["logout"]);
    assert.equal(code, 3);
    assert.match(err, /Logged out of .*, but the login goes on at http/);
    assert.deepEqual(await world.files(), []);
  });
});

Deno.test("a login of one context is no other one's", async () => {
  await using world = await LoginWorld.start();
  const { hub: { callAddress }, env } = world;
  for (const name of ["a", "b"]) {
    await world.gclient(["config", "set-context", name, "-s", callAddress], { env });
  }
  assert.equal((await world.login(["--context", "a"], confirm)).code, 0);
  assert.equal((await world.gclient(["auth", "whoami", "--context", "a"])).code, 0);
  assert.equal((await world.gclient(["auth", "whoami", "--context", "b"])).code, UNAUTHENTICATED);
  assert.equal((await world.gclient(["auth", "whoami"])).code, UNAUTHENTICATED);
});

Deno.test("gclient login does not follow a provider to another machine in plain text", async () => {
  await using provider = await OidcProvider.start();
  provider.rewrite = (path, body) => {
    if (path === "/device/auth") body["verification_uri"] = "http://evil.example/device";
  };
  const { Provider } = await import("../client/login/provider.ts");
  const wish = { issuer: provider.issuer, clientId: CLIENT_ID, scopes: [], resource: undefined };
  const found = await Provider.discover({ ...wish, token: "access" });
  await assert.rejects(found.requestDeviceCode(AbortSignal.timeout(60_000)), /is no https/);
  for (const issuer of ["http://id.example", "https://me:secret@id.example", "id.example"]) {
    await assert.rejects(Provider.discover({ ...wish, issuer, token: "access" }), /is no https/);
  }
});
