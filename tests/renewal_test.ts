/**
 * A server's token and the authority that it trusts are replaced while calls go on: it opens a new
 * tunnel beside the old one, which ends its calls, so that nobody notices.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { Status, statusName } from "../shared/grpc/status.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { hashOf, tokenOf } from "./support/auth_world.ts";
import { EchoClient } from "./support/echo_client.ts";
import { fromEachWorker } from "./support/process.ts";
import { replaceFile } from "./support/replace_file.ts";
import { until, within } from "./support/until.ts";
import { World } from "./support/world.ts";

const CALLS_PER_S = 200;
/** What a slow machine cannot carry would only wait, and then for too long. */
const MAX_UNDER_WAY = 100;

function authYaml(...edges: readonly string[]): string {
  return `
version: 1
servers:
  - { id: edges, tokens: [${edges.map((name) => `"${hashOf(name)}"`)}], names: "edge-*" }
operators:
  - { id: ann, tokens: ["${
    hashOf("ann")
  }"], rules: [{ servers: "**", methods: "*", effect: allow }] }
`;
}

const ANN = {
  metadata: { "x-hub-server": "edge-1", authorization: `Bearer ${tokenOf("ann")}` },
};

/** Calls until it is told to stop; notes which were not OK. */
class Load {
  readonly failed: string[] = [];
  count = 0;
  readonly #under = new Set<Promise<void>>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(client: EchoClient) {
    this.#timer = setInterval(() => {
      if (this.#under.size >= MAX_UNDER_WAY) return;
      const call = client.unary({ data: Buffer.from("x") }, ANN).then(({ code, details }) => {
        if (code !== Status.OK) this.failed.push(`${statusName(code)} ${details}`);
        this.count++;
        this.#under.delete(call);
      });
      this.#under.add(call);
    }, 1000 / CALLS_PER_S);
  }

  async more(): Promise<void> {
    const before = this.count;
    await until("more calls", () => this.count >= before + 100);
    assert.deepEqual(this.failed, []);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#under);
  }
}

/** A stream that stands. */
async function openStream(client: EchoClient) {
  const stream = client.bidi(ANN);
  stream.call.write({ data: Buffer.from("begin") });
  await within("a stream's first answer", once(stream.call, "data"));
  return stream;
}

Deno.test("a server's token and trust are replaced under 200 calls per second", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "ghub-renewal-" });
  const [authFile, tokenFile] = [`${dir}/auth.yaml`, `${dir}/edge.token`];
  await replaceFile(authFile, authYaml("edge-a"), 0o644);
  await replaceFile(tokenFile, tokenOf("edge-a"));
  await using world = await World.start({
    servers: [],
    tls: true,
    hubArgs: ["--auth-file", authFile, "--reconnect-spread", "100ms"],
  });
  const server = await world.startServer({
    name: "edge-1",
    args: ["--token-file", tokenFile, "--drain-timeout", "30m"],
  });
  const ready = /^gserver ready server=edge-1 /;
  using client = new EchoClient(world.callAddress);
  const load = new Load(client);
  try {
    await t.step("another token, beside the old one: a new tunnel", async () => {
      const old = await openStream(client);
      await replaceFile(authFile, authYaml("edge-a", "edge-b"), 0o644);
      await world.hub.says(fromEachWorker(/has changed and is in force/));
      await replaceFile(tokenFile, tokenOf("edge-b"));
      await server.line(ready);
      await load.more();
      // What began on the old tunnel ends as it likes.
      old.call.write({ data: Buffer.from("still") });
      old.call.end();
      const { code, details, responses } = await within("the stream's end", old.outcome);
      assert.deepEqual([code, responses.length], [Status.OK, 2], details);
    });
    await t.step("the old token is taken away: nobody is on it any more", async () => {
      const stream = await openStream(client);
      const { length } = world.hub.stderr;
      await replaceFile(authFile, authYaml("edge-b"), 0o644);
      await world.hub.says(fromEachWorker(/has changed and is in force/), length);
      await load.more();
      stream.call.end();
      assert.equal((await within("the stream's end", stream.outcome)).code, Status.OK);
    });
    await t.step("another certificate, which is what the server trusts", async () => {
      const { cert, key } = await generateCertificate(["localhost", "127.0.0.1"]);
      const { length } = world.hub.stderr;
      await replaceFile(`${world.dir}/hub.key`, key);
      await replaceFile(world.caCertFile, cert, 0o644);
      world.hub.signal("SIGHUP");
      await world.hub.says(/SIGHUP: looked at/, length);
      server.signal("SIGHUP");
      await server.line(ready);
      await load.more();
    });
  } finally {
    await load.end();
    await Deno.remove(dir, { recursive: true });
  }
  assert.deepEqual(load.failed, []);
});
