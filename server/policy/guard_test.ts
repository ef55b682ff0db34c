/**
 * A server with a policy, and hubs that say what a test wants: over real sockets.
 */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { Status } from "../../shared/grpc/status.ts";
import { type Jwk, jwkOf, publicKey, type Signer } from "../../shared/vouchers/jws.ts";
import { type ProofKind, signKeys, signVoucher } from "../../shared/vouchers/voucher.ts";
import { until } from "../../tests/support/until.ts";
import { type RunningServer, startServer } from "../server.ts";
import { testEcho } from "../testing/echo.ts";
import { frame, type HubTunnel, resultOf, TestHub } from "../testing/hub.ts";
import { Guard } from "./guard.ts";

const POLICY = `
version: 1
rules:
  - { operators: alice, methods: "*", effect: allow }
  - { operators: carla, by: certificate, methods: /echo.v1.Echo/Unary, effect: allow }
  - { operators: alice, methods: /echo.v1.Echo/ClientStream, effect: deny }
`;

function newSigner(): Signer {
  const { privateKey } = generateKeyPairSync("ed25519");
  return { id: publicKey(jwkOf(privateKey)).id, privateKey };
}

/** A hub's key, and what it says with it. */
interface HubKeys {
  readonly signer: Signer;
  readonly next?: Signer;
  /** Says nothing of keys. */
  readonly silent?: boolean;
  /** Its clock, as far as it differs from ours. */
  readonly aheadMs?: number;
}

function keysHeader({ signer, next, silent = false, aheadMs = 0 }: HubKeys) {
  return ({ headers }: TestHub["requests"][number]): Record<string, string> => {
    const nonce = headers["x-hub-meta-nonce"];
    if (nonce === undefined || silent) return {};
    const keys: Jwk[] = [signer, next ?? signer].map(({ privateKey }) => jwkOf(privateKey));
    const tunnel = { server: String(headers["x-hub-meta-name"]), nonce: String(nonce) };
    return { "X-Hub-Keys": signKeys(tunnel, { keys, signer, nowMs: Date.now() + aheadMs }) };
  };
}

interface Setting extends AsyncDisposable {
  readonly dir: string;
  readonly guard: Guard;
  readonly hub: TestHub;
  readonly server: RunningServer;
  readonly tunnel: HubTunnel;
  voucher(options?: Partial<VoucherOptions>): Record<string, string>;
}

interface VoucherOptions {
  readonly operator: string;
  readonly how: ProofKind;
  readonly server: string;
  readonly nonce: string;
  readonly expiresInMs: number;
  readonly signer: Signer;
}

/** @param dir Of an earlier setting, to meet the next hub. */
async function start(keys: HubKeys, { dir, policy = POLICY }: {
  dir?: string;
  policy?: string;
} = {}): Promise<Setting> {
  const folder = dir ?? await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/policy.yaml`, policy, { mode: 0o644 });
  const hub = await TestHub.start({ headers: keysHeader(keys) });
  const guard = new Guard({ policyFile: `${folder}/policy.yaml`, stateDir: folder, pollMs: 5 });
  // A port is new each time: for the server it is the same hub.
  const known = `${folder}/known_hubs`;
  const before = await Deno.readTextFile(known).catch(() => undefined);
  if (before !== undefined) {
    await Deno.writeTextFile(known, before.replace(/^\S+/, hub.uri.href));
  }
  const server = await startServer({
    name: "edge-1",
    hubUri: hub.uri,
    services: [testEcho()],
    guard,
  });
  const tunnel = await hub.tunnel();
  return {
    dir: folder,
    guard,
    hub,
    server,
    tunnel,
    voucher({
      operator = "alice",
      how = "token",
      server: name = "edge-1",
      nonce = String(tunnel.request.headers["x-hub-meta-nonce"]),
      expiresInMs = 60_000,
      signer = keys.signer,
    } = {}) {
      const expiresAtMs = Date.now() + (keys.aheadMs ?? 0) + expiresInMs;
      const text = signVoucher({ server: name, nonce }, { operator, how, expiresAtMs }, signer);
      return { "x-hub-voucher": text, "x-hub-operator": operator };
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      guard[Symbol.dispose]();
      await hub[Symbol.asyncDispose]();
      if (dir === undefined) await Deno.remove(folder, { recursive: true });
    },
  };
}

const unary = (tunnel: HubTunnel, headers: Record<string, string>, method = "Unary") =>
  tunnel.call("echo.v1.Echo", method, {}, headers);

Deno.test("a server with a policy believes only what its hub says for this tunnel", async (t) => {
  const signer = newSigner();
  await using setting = await start({ signer });
  const { tunnel, voucher, guard } = setting;
  const { OK, UNAUTHENTICATED, PERMISSION_DENIED } = Status;
  const rows: [what: string, headers: Record<string, string>, status: number, says: RegExp][] = [
    ["a good voucher", voucher(), OK, /^OK$/],
    ["the same again", voucher(), OK, /^OK$/],
    ["none", {}, UNAUTHENTICATED, /did not vouch/],
    ["none, with a name", { "x-hub-operator": "alice" }, UNAUTHENTICATED, /did not vouch/],
    ["an empty one", { "x-hub-voucher": "" }, UNAUTHENTICATED, /not good/],
    ["another key's", voucher({ signer: newSigner() }), UNAUTHENTICATED, /not signed by this hub/],
    [
      "another key's under our hub's name",
      voucher({ signer: { ...newSigner(), id: signer.id } }),
      UNAUTHENTICATED,
      /not signed by this hub/,
    ],
    ["one for another server", voucher({ server: "edge-2" }), UNAUTHENTICATED, /another server/],
    [
      "one of another tunnel",
      voucher({ nonce: "n".repeat(32) }),
      UNAUTHENTICATED,
      /another tunnel/,
    ],
    ["one that is over", voucher({ expiresInMs: -5_000 }), UNAUTHENTICATED, /until \d+ s ago/],
    ["of somebody unknown", voucher({ operator: "mallory" }), PERMISSION_DENIED, /"mallory"/],
    [
      "of somebody who proved it otherwise",
      voucher({ operator: "carla" }),
      PERMISSION_DENIED,
      /token/,
    ],
    [
      "of somebody who proved it so",
      voucher({ operator: "carla", how: "certificate" }),
      OK,
      /^OK$/,
    ],
    [
      "with another's name beside it",
      { ...voucher({ operator: "mallory" }), "x-hub-operator": "alice" },
      PERMISSION_DENIED,
      /"mallory"/,
    ],
  ];
  for (const [what, headers, status, says] of rows) {
    await t.step(what, async () => {
      const answer = await unary(tunnel, headers);
      assert.equal(answer.status, status, answer.message);
      assert.match(answer.message, says);
    });
  }
  await t.step("methods that the policy denies, and those that there are not", async () => {
    const denied = await unary(tunnel, voucher(), "ClientStream");
    assert.equal(denied.status, PERMISSION_DENIED);
    const by = voucher({ operator: "carla", how: "certificate" });
    for (const path of ["/no.Such/Method", "/echo.v1.Echo//Unary", "/echo.v1.Echo/unary"]) {
      const call = tunnel.open(path, by);
      call.end();
      const { status } = await resultOf(call, "echo.v1.Echo", "Unary");
      assert.equal(status, PERMISSION_DENIED, path);
    }
  });
  await t.step("nothing is kept of calls that have ended", async () => {
    await until("the server's end of the last one", () => guard.keptCount === 0);
  });
});

Deno.test("a voucher of one tunnel is of no use on the next one", async () => {
  await using setting = await start({ signer: newSigner() });
  const { tunnel, voucher, hub } = setting;
  const old = voucher();
  assert.equal((await unary(tunnel, old)).status, Status.OK);
  hub.cut();
  const next = await hub.tunnel();
  assert.equal((await unary(next, old)).status, Status.UNAUTHENTICATED);
  const nonce = String(next.request.headers["x-hub-meta-nonce"]);
  assert.equal((await unary(next, voucher({ nonce }))).status, Status.OK);
});

Deno.test("the hub's clock counts, not the server's", async (t) => {
  for (const aheadMs of [-86_400_000, 86_400_000]) {
    await t.step(`${aheadMs / 3_600_000} hours`, async () => {
      await using setting = await start({ signer: newSigner(), aheadMs });
      const { tunnel, voucher } = setting;
      assert.equal((await unary(tunnel, voucher())).status, Status.OK);
      const { status } = await unary(tunnel, voucher({ expiresInMs: -5_000 }));
      assert.equal(status, Status.UNAUTHENTICATED);
    });
  }
});

Deno.test("a hub that does not vouch gets nowhere with a server that has a policy", async () => {
  await using setting = await start({ signer: newSigner(), silent: true });
  const { status, message } = await unary(setting.tunnel, setting.voucher());
  assert.equal(status, Status.UNAUTHENTICATED);
  assert.match(message, /update the hub/);
});

Deno.test("the hub's key is pinned at first contact, follows a renewal, and nothing else", async (t) => {
  const [first, second, third] = [newSigner(), newSigner(), newSigner()];
  const dir = await Deno.makeTempDir();
  const known = () => Deno.readTextFileSync(`${dir}/known_hubs`);
  const meet = async (keys: HubKeys, status: number, says = /^OK$/) => {
    await using setting = await start(keys, { dir });
    const answer = await unary(setting.tunnel, setting.voucher());
    assert.equal(answer.status, status, answer.message);
    assert.match(answer.message, says);
  };
  try {
    await t.step("first contact", async () => {
      await meet({ signer: first, next: second }, Status.OK);
      assert.match(known(), /^ws:\/\/\S+ ed25519:\S{43} ed25519:\S{43}\n$/);
      assert.equal(Deno.statSync(`${dir}/known_hubs`).mode! & 0o777, 0o600);
    });
    await t.step("again", () => meet({ signer: first, next: second }, Status.OK));
    await t.step("another key", async () => {
      const before = known().replace(/^\S+/, "");
      await meet({ signer: third }, Status.UNAUTHENTICATED, /has another key .*remove its line/);
      assert.equal(known().replace(/^\S+/, ""), before);
    });
    await t.step(
      "another key that names ours as its next",
      () => meet({ signer: third, next: first }, Status.UNAUTHENTICATED, /another key/),
    );
    await t.step(
      "the next key, in good order",
      () => meet({ signer: second, next: third }, Status.OK),
    );
    await t.step(
      "the first one is no longer known",
      () => meet({ signer: first, next: second }, Status.UNAUTHENTICATED, /another key/),
    );
    await t.step("a file that is damaged lets nobody in", async () => {
      Deno.writeTextFileSync(`${dir}/known_hubs`, "http://x nonsense\n");
      await meet({ signer: second }, Status.UNAUTHENTICATED, /line 1/);
    });
    await t.step("a file that others may change lets nobody in", async () => {
      Deno.chmodSync(`${dir}/known_hubs`, 0o666);
      await meet({ signer: second }, Status.UNAUTHENTICATED, /chmod go-w/);
    });
    await t.step("a line that was removed is a first contact", async () => {
      Deno.removeSync(`${dir}/known_hubs`);
      await meet({ signer: third }, Status.OK);
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a policy that changes ends what it forbids, and nothing else", async (t) => {
  await using setting = await start({ signer: newSigner() });
  const { tunnel, voucher, dir, guard } = setting;
  const write = (policy: string) => {
    // As tools do that replace files: there is never half of it.
    Deno.writeTextFileSync(`${dir}/new.yaml`, policy, { mode: 0o644 });
    Deno.renameSync(`${dir}/new.yaml`, `${dir}/policy.yaml`);
  };
  const open = async (operator: string) => {
    const call = tunnel.open("/echo.v1.Echo/Bidi", voucher({ operator }));
    call.write(frame("echo.v1.Echo", "Bidi", {}));
    await new Promise((resolve) => call.once("data", resolve));
    return call;
  };
  const call = await open("alice");
  await t.step("one that still allows it", async () => {
    write(`${POLICY}  - { operators: bob, methods: "*", effect: allow }\n`);
    let status: number | undefined = -1;
    while (status !== Status.OK) ({ status } = await unary(tunnel, voucher({ operator: "bob" })));
    assert.ok(!call.destroyed);
  });
  await t.step("one that does not", async () => {
    const other = await open("bob");
    const closed = new Promise((resolve) => call.once("close", resolve));
    write(POLICY.replace("operators: alice", "operators: bob"));
    await closed;
    assert.equal(call.rstCode, 0xc);
    assert.ok(!other.destroyed);
    assert.equal((await unary(tunnel, voucher())).status, Status.PERMISSION_DENIED);
    const otherClosed = new Promise((resolve) => other.once("close", resolve));
    other.end();
    other.resume();
    await otherClosed;
    await until("the server's end of both", () => guard.keptCount === 0);
  });
});
