/**
 * A server's own policy against a stolen token of the hub, with the real programs: the hub would let
 * each of these operators do everything, in every mode.
 *
 * | operator | the hub lets it call | the policy of edge-1 lets it call                            |
 * | -------- | -------------------- | ------------------------------------------------------------ |
 * | root     | everything           | everything, but of its upstream "books" nothing              |
 * | alice    | everything           | Unary and Bidi, of the upstream "payments" Unary alone       |
 * | mallory  | everything           | nothing                                                      |
 *
 * @module
 */
import assert from "node:assert/strict";
import { Status, statusName } from "../shared/grpc/status.ts";
import { hashOf, tokenOf } from "./support/auth_world.ts";
import { EchoClient } from "./support/echo_client.ts";
import { Process, source } from "./support/process.ts";
import { closing } from "./support/path.ts";
import { connectTo, handshakePath, shakeHands } from "./support/raw_path.ts";
import { replaceFile } from "./support/replace_file.ts";
import { World } from "./support/world.ts";

const OPERATORS = ["root", "alice", "mallory"] as const;
type Operator = typeof OPERATORS[number];

const AUTH = `
version: 1
servers:
  - { id: edges, tokens: ["${hashOf("edges")}"], names: [edge-*, edge-*/*] }
operators:
${
  OPERATORS.map((id) =>
    `  - { id: ${id}, tokens: ["${
      hashOf(id)
    }"], rules: [{ servers: "**", methods: "*", effect: allow }] }`
  ).join("\n")
}
`;

const POLICY = `
version: 1
rules:
  - { operators: root, methods: "*", effect: allow }
  - { operators: root, upstreams: payments, methods: "*", effect: allow }
  - { operators: alice, methods: [/echo.v1.Echo/Unary, /echo.v1.Echo/Bidi], effect: allow }
  - { operators: alice, upstreams: payments, methods: /echo.v1.Echo/Unary, effect: allow }
`;

interface Setting extends AsyncDisposable {
  readonly world: World;
  readonly dir: string;
}

async function start(): Promise<Setting> {
  const dir = await Deno.makeTempDir({ prefix: "ghub-policy-" });
  await Deno.writeTextFile(`${dir}/auth.yaml`, AUTH, { mode: 0o644 });
  await Deno.writeTextFile(`${dir}/policy.yaml`, POLICY, { mode: 0o644 });
  for (const who of [...OPERATORS, "edges"]) {
    await Deno.writeTextFile(`${dir}/${who}`, `${tokenOf(who)}\n`, { mode: 0o600 });
  }
  const world = await World.start({
    servers: [],
    hubArgs: ["--auth-file", `${dir}/auth.yaml`],
  });
  return {
    world,
    dir,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

async function startEdge({ world, dir }: Setting): Promise<void> {
  const upstream = await world.startUpstream();
  await world.startServer({
    name: "edge-1",
    expose: { payments: upstream, books: upstream },
    args: ["--token-file", `${dir}/edges`, "--policy-file", `${dir}/policy.yaml`],
  });
}

const MODES = ["routed", "handshake", "CONNECT"] as const;
type Mode = typeof MODES[number];

interface Way {
  readonly who: Operator;
  readonly server: string;
  readonly mode: Mode;
}

/** Somebody's client for edge-1 or one of its upstreams, in a mode. */
async function clientFor(
  { callAddress }: World,
  { who, server, mode }: Way,
): Promise<{ client: EchoClient } & AsyncDisposable> {
  const token = tokenOf(who);
  await using stack = new AsyncDisposableStack();
  const open = async () => {
    if (mode === "handshake") {
      return stack.use(await handshakePath(callAddress, server, token)).client();
    }
    if (mode === "CONNECT") {
      const channel = {
        "grpc.http_connect_target": `dns:${targetOf(server)}`,
        "grpc.http_connect_creds": `${who}:${token}`,
      };
      return new EchoClient(callAddress, { channel });
    }
    const metadata = { "x-hub-server": server, authorization: `Bearer ${token}` };
    return new EchoClient(callAddress, { metadata });
  };
  const client = stack.use(await open());
  const kept = stack.move();
  return { client, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** What CONNECT calls a server or an upstream. */
function targetOf(server: string): string {
  return `${server.split("/").toReversed().join(".")}:443`;
}

/** How the hub answers who is not let into a raw connection. */
async function rawRefusal({ callAddress }: World, { who, server, mode }: Way): Promise<string> {
  const token = tokenOf(who);
  if (mode === "CONNECT") {
    const { socket, status } = await connectTo(callAddress, targetOf(server), {
      "proxy-authorization": `Bearer ${token}`,
    });
    socket.destroy();
    return status === 403 ? NO : String(status);
  }
  const { socket, answer } = await shakeHands(callAddress, { server, token });
  socket.destroy();
  return answer.code ?? "accepted";
}

function check(path: string) {
  return Process.run([...source("server/main.ts"), "policy", "check", path]);
}

const DATA = new TextEncoder().encode("hello");

/** What three methods answer. */
async function tryAll(client: EchoClient): Promise<string[]> {
  const unary = await client.unary({ data: DATA });
  const bidi = client.bidi();
  bidi.call.end({ data: DATA });
  const outcomes = [unary, await bidi.outcome, await client.unknown("/no.Such/Method")];
  return outcomes.map(({ code }) => statusName(code));
}

const [OK, NO, NONE] = ["OK", "PERMISSION_DENIED", "UNIMPLEMENTED"] as const;

Deno.test("a stolen token of the hub runs no method that the server's own policy forbids", async (t) => {
  await using setting = await start();
  const { world, dir } = setting;
  await startEdge(setting);

  // Unary, Bidi, a method that there is not; and whether a raw connection is accepted.
  const rows: [who: Operator, server: string, answers: string[], raw: boolean][] = [
    ["root", "edge-1", [OK, OK, NONE], true],
    ["alice", "edge-1", [OK, OK, NO], true],
    ["mallory", "edge-1", [NO, NO, NO], false],
    ["root", "edge-1/payments", [OK, OK, NONE], true],
    ["alice", "edge-1/payments", [OK, NO, NO], false],
    ["mallory", "edge-1/payments", [NO, NO, NO], false],
    ["root", "edge-1/books", [NO, NO, NO], false],
  ];
  for (const [who, server, answers, raw] of rows) {
    for (const mode of MODES) {
      await t.step(`${who} at ${server}, ${mode}`, async () => {
        const way = { who, server, mode };
        if (mode !== "routed" && !raw) {
          assert.equal(await rawRefusal(world, way), NO);
          return;
        }
        await using opened = await clientFor(world, way);
        assert.deepEqual(await tryAll(opened.client), answers);
      });
    }
  }

  await t.step(
    "the answer says whose policy it was, and that the call had left the hub",
    async () => {
      await using opened = await clientFor(world, {
        who: "mallory",
        server: "edge-1",
        mode: "routed",
      });
      const { code, details, trailers } = await opened.client.unary({});
      assert.equal(code, Status.PERMISSION_DENIED);
      assert.match(
        details,
        /This server's own policy does not let "mallory", known by token, call/,
      );
      assert.deepEqual(trailers.get("x-hub-hop"), ["server"]);
      assert.deepEqual(trailers.get("x-hub-forwarded"), ["1"]);
    },
  );

  await t.step("gclient shows it", async () => {
    const { code, stderr } = await world.gclient(
      ["fluentd", "status", "edge-1", "--token-file", `${dir}/mallory`],
    );
    assert.equal(code, 64 + Status.PERMISSION_DENIED);
    assert.match(stderr, /own policy/);
    assert.match(stderr, /hint: The policy file on that server decides it/);
    assert.match(stderr, /reason: FORBIDDEN_BY_SERVER \(domain ghub.server\) +hop: server/);
  });

  await t.step("nobody takes another's name, in the call or within a raw connection", async () => {
    for (const mode of MODES) {
      await using opened = await clientFor(world, { who: "alice", server: "edge-1", mode });
      const { client } = opened;
      const forged = { "x-hub-operator": "root", "x-hub-voucher": "e30.e30.e30" };
      const id = `forged-${mode}`;
      const { code } = await client.unary({}, { metadata: { ...forged, "x-echo-id": id } });
      assert.equal(code, Status.OK);
      const { metadata } = await client.record(id, ({ state }) => state === "ended");
      assert.deepEqual(metadata["x-hub-operator"], ["alice"]);
      assert.equal(metadata["x-hub-voucher"], undefined);
      const other = await client.unknown("/no.Such/Method", { metadata: forged });
      assert.equal(other.code, Status.PERMISSION_DENIED);
    }
  });

  await t.step("nobody opens a raw connection within one", async () => {
    for (const who of ["root", "alice"] as const) {
      await using opened = await clientFor(world, { who, server: "edge-1", mode: "handshake" });
      for (const method of ["Connect", "Welcome"]) {
        const { code } = await opened.client.unknown(`/ghub.v1.Tunnel/${method}`, {
          metadata: { "x-hub-operator": "root" },
        });
        assert.equal(code, Status.PERMISSION_DENIED);
      }
    }
  });

  await t.step("others' calls go on beside refused ones", async () => {
    await using alice = await clientFor(world, {
      who: "alice",
      server: "edge-1/payments",
      mode: "routed",
    });
    await using root = await clientFor(world, {
      who: "root",
      server: "edge-1/payments",
      mode: "routed",
    });
    const going = root.client.bidi();
    const large = new Uint8Array(100_000);
    for (let i = 0; i < 20; i++) {
      going.call.write({ data: large });
      const refused = alice.client.clientStream();
      refused.call.write({ data: large });
      refused.call.end();
      assert.equal((await refused.outcome).code, Status.PERMISSION_DENIED);
    }
    going.call.end();
    const { code, responses } = await going.outcome;
    assert.equal(code, Status.OK);
    assert.equal(responses.reduce((sum, { data }) => sum + (data?.length ?? 0), 0), 2_000_000);
  });

  await t.step("a policy that changes ends what it forbids, and nothing else", async () => {
    const open = async (who: Operator, server: string, mode: Mode) => {
      const opened = await clientFor(world, { who, server, mode });
      const { call, outcome } = opened.client.bidi();
      call.write({ data: DATA });
      await new Promise((resolve) => call.once("data", resolve));
      return { opened, call, outcome };
    };
    const ending = [
      await open("root", "edge-1/payments", "routed"),
      await open("alice", "edge-1", "routed"),
      await open("alice", "edge-1", "handshake"),
    ];
    // Nobody sees the calls in it: it ends as a whole.
    const { socket, answer } = await shakeHands(world.callAddress, {
      server: "edge-1/payments",
      token: tokenOf("root"),
    });
    assert.ok(answer.ok);
    socket.resume();
    const staying = [
      await open("root", "edge-1", "routed"),
      await open("root", "edge-1", "CONNECT"),
    ];
    const edge = world.server("edge-1");
    const since = edge.stderr.length;
    const kept = POLICY.split("\n").filter((line) => !/payments|alice/.test(line)).join("\n");
    await replaceFile(`${dir}/policy.yaml`, kept, 0o644);
    await edge.says(/has changed and is in force: 1 rules/, since);
    const codes = await Promise.all(ending.map(({ outcome }) => outcome.then(({ code }) => code)));
    assert.deepEqual(codes.map(statusName), [NO, NO, NO]);
    await closing(socket);
    for (const { call, outcome } of staying) {
      call.end();
      assert.equal((await outcome).code, Status.OK);
    }
    for (const { opened } of [...ending, ...staying]) await opened[Symbol.asyncDispose]();
  });

  await t.step("a broken policy is not applied, and the log says so", async () => {
    const edge = world.server("edge-1");
    const since = edge.stderr.length;
    await Deno.writeTextFile(`${dir}/policy.yaml`, "version: 1\nrules: [{}]\n");
    await edge.says(/NOT in force.*\n?.*must have operators/s, since);
    await using opened = await clientFor(world, { who: "root", server: "edge-1", mode: "routed" });
    assert.equal((await opened.client.unary({})).code, Status.OK);
  });
});

Deno.test("a server with a policy knows its hub again, and refuses another one at its place", async (t) => {
  await using setting = await start();
  const { world, dir } = setting;
  await startEdge(setting);
  const call = async () => {
    await using opened = await clientFor(world, { who: "root", server: "edge-1", mode: "routed" });
    const { code, details } = await opened.client.unary({});
    return `${statusName(code)} ${details}`;
  };
  const edge = world.server("edge-1");
  await edge.says(/First contact with the hub at .* is pinned in .*known_hubs/);
  const restart = async (prepare: () => Promise<void>) => {
    await world.hub.stop();
    await prepare();
    await world.startHub();
    await edge.line(/^gserver ready server=edge-1 /);
  };
  await t.step("the same hub, started again", async () => {
    await restart(async () => {});
    assert.match(await call(), /^OK/);
  });
  await t.step("a hub that goes over to its next key", async () => {
    await restart(() =>
      Deno.rename(`${world.dir}/hub/voucher-next.key`, `${world.dir}/hub/voucher.key`)
    );
    assert.match(await call(), /^OK/);
    await edge.says(/has renewed its keys in good order/);
  });
  await t.step("a hub with keys of its own", async () => {
    await restart(async () => {
      await Deno.remove(`${world.dir}/hub/voucher.key`);
      await Deno.remove(`${world.dir}/hub/voucher-next.key`);
    });
    assert.match(
      await call(),
      /^UNAUTHENTICATED .*has another key .*remove its line from .*known_hubs/,
    );
    await edge.says(/are REFUSED/);
  });
  await t.step("once its line is removed and gserver restarted, it is believed", async () => {
    await edge.stop();
    await Deno.remove(`${world.dir}/edge-1/known_hubs`);
    await startEdge(setting);
    assert.match(await call(), /^OK/);
  });
  await t.step("policy check reads what serve would", async () => {
    const { code, stdout, stderr } = await check(`${dir}/policy.yaml`);
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /allow alice: \/echo.v1.Echo\/Unary \/echo.v1.Echo\/Bidi of this server\n/,
    );
    await Deno.writeTextFile(`${dir}/policy.yaml`, "version: 1\nrules: [{}]\n");
    const broken = await check(`${dir}/policy.yaml`);
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /policy.yaml:2:9: rules\[0\]: must have operators/);
  });
});
