/**
 * Certificate, tokens and rules change under 200 calls a second, with the real programs: no call
 * fails that is still permitted, and each that is not ends with the reason.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { HubCredentials } from "../shared/http2/testing/hub_credentials.ts";
import { Status } from "../shared/grpc/status.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { hashOf, tokenOf } from "./support/auth_world.ts";
import { EchoClient, type Outcome } from "./support/echo_client.ts";
import { fromEachWorker } from "./support/process.ts";
import { replaceFile } from "./support/replace_file.ts";
import { until, within } from "./support/until.ts";
import { World } from "./support/world.ts";

/** Five calls each: 200 in a second. */
const TICK_MS = 25;
/** What a slow machine cannot carry would only wait, and then for too long. */
const MAX_UNDER_WAY = 100;
/** Calls of each kind that must have come through before the next change. */
const CALLS_BETWEEN = 20;
/** Connections that may have to be made twice, see docs/security.md; there are some hundred. */
const MAX_REDIALS = 2;
const STREAMS = 5;
/** Whose tokens are good at the end. */
const NEW = { servers: ["srv-kept", "srv-new"], operators: ["soc-new"] };
const DENIED = "/echo.v1.Echo/ServerStream";

/** The auth file, for tokens of servers, of the operator `soc`, and methods that nobody may call. */
function rules(
  { servers, operators, denied = [] }: {
    readonly servers: readonly string[];
    readonly operators: readonly string[];
    readonly denied?: readonly string[];
  },
): string {
  const hashes = (names: readonly string[]) => JSON.stringify(names.map(hashOf));
  const deny = denied.map((method) =>
    `\n      - { servers: "**", methods: ${method}, effect: deny }`
  );
  const allow = `[{ servers: "**", methods: "*", effect: allow }]`;
  return `
version: 1
servers:
  - { id: edges, tokens: ${hashes(servers)}, names: edge-* }
operators:
  - id: soc
    tokens: ${hashes(operators)}
    rules: ${allow}
  - id: keeper
    tokens: ${hashes(["keeper"])}
    rules:
      - { servers: "**", methods: "*", effect: allow }${deny.join("")}
`;
}

/** 200 calls a second, of several kinds, and what became of them. */
class Load implements AsyncDisposable {
  /** On one connection, on one each, and to the server whose token changes. */
  readonly counts = { kept: 0, fresh: 0, turned: 0 };
  readonly failures: string[] = [];
  redials = 0;
  /** The operator's token; it changes while the old one is still good. */
  who = "soc-old";
  readonly #dial: () => EchoClient;
  readonly #kept: EchoClient;
  readonly #running = new Set<Promise<void>>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(dial: () => EchoClient) {
    this.#dial = dial;
    this.#kept = dial();
    this.#timer = setInterval(() => {
      if (this.#running.size >= MAX_UNDER_WAY) return;
      for (let i = 0; i < 3; i++) this.#start("kept", () => this.#call(this.#kept, "edge-1"));
      this.#start("fresh", () => this.#fresh());
      this.#start("turned", () => this.#call(this.#kept, "edge-2"));
    }, TICK_MS);
  }

  /** Waits for more calls of each kind, and fails if one has failed. */
  async more(): Promise<void> {
    const before = { ...this.counts };
    await until("more calls", () =>
      this.failures.length > 0 ||
      Object.entries(before).every(([kind, n]) =>
        this.counts[kind as keyof typeof before] >= n + CALLS_BETWEEN
      ));
    assert.deepEqual(this.failures, []);
  }

  #start(kind: keyof Load["counts"], call: () => Promise<Outcome>): void {
    const { who } = this;
    const running = call().then(({ code, details }) => {
      if (code === Status.OK) this.counts[kind]++;
      else this.failures.push(`${kind} call as ${who}: ${code} ${details}`);
    }).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  #call(client: EchoClient, server: string): Promise<Outcome> {
    const authorization = `Bearer ${tokenOf(this.who)}`;
    return client.unary({ data: new Uint8Array(10) }, {
      metadata: { "x-hub-server": server, authorization },
    });
  }

  /** On a connection of its own. One that never came to be is made once more. */
  async #fresh(): Promise<Outcome> {
    using client = this.#dial();
    const outcome = await this.#call(client, "edge-1");
    if (outcome.code !== Status.UNAVAILABLE || outcome.trailers.get("x-hub-hop").length > 0) {
      return outcome;
    }
    this.redials++;
    using again = this.#dial();
    return await this.#call(again, "edge-1");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#running);
    this.#kept[Symbol.dispose]();
  }
}

Deno.test("rotations under 200 calls a second lose nothing that is permitted", async (t) => {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "ghub-rotation-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const auth = `${dir}/auth.yaml`;
  await replaceFile(
    auth,
    rules({ servers: ["srv-kept", "srv-old"], operators: ["soc-old"] }),
    0o644,
  );
  const tokenFile = (name: string) => `${dir}/${name}.token`;
  await replaceFile(tokenFile("edge-1"), tokenOf("srv-kept"));
  await replaceFile(tokenFile("edge-2"), tokenOf("srv-old"));
  // Trust changes with the certificate, and so do tunnels: calls stay on the one that they began on.
  const server = (name: string) => ({
    name,
    args: ["--token-file", tokenFile(name), "--drain-timeout", "30m"],
  });
  const world = stack.use(
    await World.start({
      servers: [],
      tls: true,
      hubArgs: ["--auth-file", auth, "--call-tls"],
    }),
  );
  const certificates = [await Deno.readTextFile(world.caCertFile)];
  const renewed = await Promise.all(
    [1, 2, 3].map(() => generateCertificate(["localhost", "127.0.0.1"])),
  );
  certificates.push(...renewed.map(({ cert }) => cert));
  const ca = Buffer.from(certificates.join("\n"));
  const trusted = new HubCredentials({ tls: { serverName: "localhost", skipVerify: false, ca } });
  const dial = () => new EchoClient(world.callAddress, { credentials: trusted });
  await Promise.all(["edge-1", "edge-2"].map((name) => world.startServer(server(name))));
  const change = async (text: string) => {
    const { length } = world.hub.stderr;
    await replaceFile(auth, text, 0o644);
    await world.hub.says(fromEachWorker(/has changed and is in force/), length);
  };

  const client = stack.use(dial());
  const as = (who: string) => ({
    metadata: { "x-hub-server": "edge-1", authorization: `Bearer ${tokenOf(who)}` },
    // They last as long as this test.
    timeoutMs: 1_200_000,
  });
  const word = { data: new Uint8Array(1) };
  // What stays permitted, what the rules will forbid, and what its token will no longer open.
  const talks = Array.from({ length: STREAMS }, () => client.bidi(as("keeper")));
  for (const { call } of talks) call.write(word);
  const hang = { count: 1, hang: true };
  const forbidden = Array.from({ length: STREAMS }, () => client.serverStream(hang, as("keeper")));
  const revoked = Array.from({ length: STREAMS }, () => client.serverStream(hang, as("soc-old")));
  await Promise.all([...talks, ...forbidden, ...revoked].map(({ headers }) => headers));
  const load = stack.use(new Load(dial));
  await load.more();

  await t.step("the hub's certificate, three times", async () => {
    for (const { cert, key } of renewed) {
      const { length } = world.hub.stderr;
      await replaceFile(`${world.dir}/hub.key`, key);
      await replaceFile(world.caCertFile, cert, 0o644);
      world.hub.signal("SIGHUP");
      await world.hub.says(/another certificate, and is in use|certificate .*: .*in use/, length);
      await load.more();
    }
    assert.ok(load.redials <= MAX_REDIALS, `${load.redials} connections had to be made twice`);
  });

  await t.step("the tokens of a server and of an operator, one after the other", async () => {
    const [servers, operators] = [["srv-kept", "srv-old", "srv-new"], ["soc-old", "soc-new"]];
    await change(rules({ servers, operators }));
    load.who = "soc-new";
    await replaceFile(tokenFile("edge-2"), tokenOf("srv-new"));
    world.server("edge-2").signal("SIGHUP");
    await world.server("edge-2").line(/^gserver ready server=edge-2 /);
    await load.more();
    await change(rules(NEW));
    for (const { outcome } of revoked) {
      const { code, details } = await within("the end of a revoked call", outcome);
      assert.equal(code, Status.UNAUTHENTICATED, details);
      assert.match(details, /The hub no longer lets "soc" in: Wrong token/);
    }
    const { code } = await client.unary(word, as("soc-old"));
    assert.equal(code, Status.UNAUTHENTICATED);
    await load.more();
  });

  await t.step("rules: a method is no longer allowed", async () => {
    await change(
      rules({ ...NEW, denied: [DENIED] }),
    );
    for (const { outcome } of forbidden) {
      const { code, details } = await within("the end of a forbidden call", outcome);
      assert.equal(code, Status.PERMISSION_DENIED, details);
      assert.match(details, /no longer lets "keeper" in: "keeper" may not call/);
    }
    const { code } = await client.serverStream({ count: 1 }, as("keeper")).outcome;
    assert.equal(code, Status.PERMISSION_DENIED);
    await load.more();
  });

  await t.step("what was permitted all the time has gone on all the time", async () => {
    for (const { call, outcome } of talks) {
      call.write(word);
      call.end();
      const { code, details, responses } = await within("the end of a talk", outcome);
      assert.equal(code, Status.OK, details);
      assert.equal(responses.length, 2);
    }
    await load[Symbol.asyncDispose]();
    assert.deepEqual(load.failures, []);
    const { kept, fresh, turned } = load.counts;
    const all = kept + fresh + turned;
    console.log(`${all} calls, ${fresh} of them on new connections; ${load.redials} dialled twice`);
  });
});
