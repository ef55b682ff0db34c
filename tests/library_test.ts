/**
 * A program that calls through a hub by `client/mod.ts`, and the service of another by `server/mod.ts`.
 */
import type * as grpc from "@grpc/grpc-js";
import { Metadata } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { CallError, HubClient, type HubMethod } from "../client/mod.ts";
import { type EmbeddedHub, runHub } from "../hub/mod.ts";
import { type GrpcJsService, serveOnHub, type ServerState } from "../server/mod.ts";
import { PATIENCE_MS, until, within } from "./support/until.ts";

const PROTO = `syntax = "proto3";
package acme.v1;
service Shop {
  rpc Buy(Order) returns (Receipt);
  rpc Watch(Order) returns (stream Receipt);
  rpc Count(stream Order) returns (Receipt);
  rpc Chat(stream Order) returns (stream Receipt);
}
message Order { string sku = 1; }
message Receipt { string text = 1; }`;

interface Order {
  readonly sku: string;
}

function loadShop(): GrpcJsService["definition"] {
  const file = Deno.makeTempFileSync({ suffix: ".proto" });
  try {
    Deno.writeTextFileSync(file, PROTO);
    return loadSync(file, { keepCase: true })["acme.v1.Shop"] as GrpcJsService["definition"];
  } finally {
    Deno.removeSync(file);
  }
}

const definition = loadShop();
const shop = definition as unknown as Record<string, HubMethod<Order, { readonly text: string }>>;

/** Calls that hang, until they are cancelled. */
class Shop {
  readonly hanging = new Set<string>();
  readonly implementation = {
    Buy: (call: grpc.ServerUnaryCall<Order, unknown>, reply: grpc.sendUnaryData<unknown>) => {
      const { sku } = call.request;
      if (sku === "moon") return reply({ code: 9, details: "sold out" });
      if (sku === "never") {
        this.hanging.add(sku);
        return void call.on("cancelled", () => this.hanging.delete(sku));
      }
      const answer = new Metadata();
      answer.set("x-basket", String(call.metadata.get("x-basket")));
      call.sendMetadata(answer);
      const trailers = new Metadata();
      trailers.set("x-raw-bin", call.metadata.get("x-raw-bin")[0] ?? Buffer.of());
      reply(null, { text: sku }, trailers);
    },
    Watch: (call: grpc.ServerWritableStream<Order, unknown>) => {
      const { sku } = call.request;
      call.write({ text: `${sku} 1` });
      call.write({ text: `${sku} 2` });
      if (sku === "endless") {
        this.hanging.add(sku);
        return void call.on("cancelled", () => this.hanging.delete(sku));
      }
      call.end();
    },
    Count: (
      call: grpc.ServerReadableStream<Order, unknown>,
      reply: grpc.sendUnaryData<unknown>,
    ) => {
      let count = 0;
      call.on("data", () => count++);
      call.on("end", () => reply(null, { text: String(count) }));
    },
    Chat: (call: grpc.ServerDuplexStream<Order, unknown>) => {
      call.on("data", ({ sku }: Order) => call.write({ text: `${sku}?` }));
      call.on("end", () => call.end());
    },
  };
}

const HERE = { hostname: "127.0.0.1", port: 0 };

async function failureOf(call: Promise<unknown>): Promise<CallError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
  throw new Error("The call did not fail");
}

const portOf = (address: string) => Number(address.split(":").at(-1));

Deno.test("a program calls a service of others through a hub", async (t) => {
  await using running = await runHub({ tunnelListen: HERE, callListen: HERE });
  const hanging = new Shop();
  await using server = await serveOnHub({
    name: "edge-1",
    hubUri: running.tunnelAddress,
    services: [{ definition, implementation: hanging.implementation }],
  });
  await within("the server", server.untilServing());
  await using hub = new HubClient({ address: running.callAddress });
  const edge1 = { server: "edge-1", timeoutMs: PATIENCE_MS };
  const orders = [{ sku: "a" }, { sku: "b" }];

  await t.step("all four kinds, with metadata both ways", async () => {
    const reply = await hub.unary(shop["Buy"]!, { sku: "tea" }, {
      ...edge1,
      metadata: { "x-basket": "17", "x-raw-bin": Uint8Array.of(0, 255) },
    });
    assert.deepEqual(reply.response, { text: "tea" });
    assert.deepEqual(reply.headers.get("x-basket"), ["17"]);
    assert.deepEqual(reply.trailers.get("x-raw-bin"), [Uint8Array.of(0, 255)]);
    assert.deepEqual(reply.trailers.get("x-hub-hop"), ["server"]);
    const watched = hub.serverStream(shop["Watch"]!, { sku: "tea" }, edge1);
    assert.deepEqual(await Array.fromAsync(watched, ({ text }) => text), ["tea 1", "tea 2"]);
    assert.deepEqual(watched.trailers.get("x-hub-hop"), ["server"]);
    assert.equal((await hub.clientStream(shop["Count"]!, orders, edge1)).response.text, "2");
    async function* asked() {
      yield* orders;
    }
    const chat = hub.bidi(shop["Chat"]!, asked(), edge1);
    assert.deepEqual(await Array.fromAsync(chat, ({ text }) => text), ["a?", "b?"]);
  });

  await t.step("a method by its name, with JSON", async () => {
    const buy = await hub.method("acme.v1.Shop/Buy", { server: "edge-1" });
    assert.deepEqual((await hub.unary(buy, { sku: "pot" }, edge1)).response, { text: "pot" });
    await assert.rejects(hub.unary(buy, { sku: "pot", colour: "red" }, edge1), /colour/);
    await assert.rejects(hub.method("acme.v1.Shop/Sell", { server: "edge-1" }), /no method "Sell"/);
    const error = await failureOf(hub.method("acme.v1.Shop/Buy", { server: "edge-9" }));
    assert.deepEqual([error.status, error.delivery], ["NOT_FOUND", "not-delivered"]);
  });

  await t.step("an error says where, and whether anything may have happened", async () => {
    const table = [
      ["the server says no", { sku: "moon" }, edge1, "FAILED_PRECONDITION", "server", "answered"],
      ["no such server", { sku: "tea" }, { server: "edge-9" }, "NOT_FOUND", "hub", "not-delivered"],
      [
        "the time is over",
        { sku: "never" },
        { server: "edge-1", timeoutMs: 300 },
        "DEADLINE_EXCEEDED",
        undefined,
        "unknown",
      ],
    ] as const;
    for (const [what, request, options, status, hop, delivery] of table) {
      const attempt = (more: object = {}) =>
        failureOf(hub.unary(shop["Buy"]!, request, { ...options, ...more }));
      let error = await attempt();
      // On a busy machine the time may be over before the call has left: then it has more.
      if (status === "DEADLINE_EXCEEDED" && error.delivery === "not-delivered") {
        error = await attempt({ timeoutMs: 10_000 });
      }
      assert.equal(error.status, status, what);
      // Whose clock was first, the hub's or ours, is chance.
      if (hop !== undefined) assert.equal(error.hop, hop, what);
      assert.equal(error.delivery, delivery, what);
    }
    const [detail] = (await failureOf(hub.unary(shop["Buy"]!, { sku: "" }, { server: "edge-9" })))
      .details;
    assert.equal(detail?.type, "google.rpc.ErrorInfo");
  });

  await t.step("a signal cancels, also at the server", async () => {
    const stop = new AbortController();
    const call = hub.unary(shop["Buy"]!, { sku: "never" }, { ...edge1, signal: stop.signal });
    await until("the call", () => hanging.hanging.has("never"));
    stop.abort(new Error("enough"));
    await assert.rejects(call, /^Error: enough$/);
    await until("the cancel", () => !hanging.hanging.has("never"));
  });

  await t.step("to leave the loop cancels", async () => {
    for await (const { text } of hub.serverStream(shop["Watch"]!, { sku: "endless" }, edge1)) {
      if (text === "endless 2") break;
    }
    await until("the cancel", () => !hanging.hanging.has("endless"));
  });

  await t.step("requests that break end the call, and are what is thrown", async () => {
    async function* broken(): AsyncGenerator<Order> {
      yield { sku: "a" };
      throw new RangeError("no more");
    }
    await assert.rejects(hub.clientStream(shop["Count"]!, broken(), edge1), /^RangeError: no more/);
  });

  await t.step("to dispose of a client ends its calls", async () => {
    const other = new HubClient({ address: running.callAddress });
    const call = other.unary(shop["Buy"]!, { sku: "never" }, edge1);
    const ended = assert.rejects(call, /^Error: The client was disposed$/);
    await until("the call", () => hanging.hanging.has("never"));
    await other[Symbol.asyncDispose]();
    await ended;
  });
});

Deno.test("a client and a server outlive their hub, and use the next one", async () => {
  const start = (ports: { readonly tunnel: number; readonly call: number }): Promise<EmbeddedHub> =>
    runHub({
      tunnelListen: { ...HERE, port: ports.tunnel },
      callListen: { ...HERE, port: ports.call },
    });
  await using cleanup = new AsyncDisposableStack();
  const first = cleanup.use(await start({ tunnel: 0, call: 0 }));
  const tunnel = portOf(first.tunnelAddress.replace(/\/ws$/, ""));
  const call = portOf(first.callAddress);
  const states: [ServerState, why: string | undefined][] = [];
  const server = cleanup.use(
    await serveOnHub({
      name: "edge-1",
      hubUri: `ws://127.0.0.1:${tunnel}`,
      services: [{ definition, implementation: new Shop().implementation }],
      onState: (state, { name, why }) => {
        assert.equal(name, "edge-1");
        states.push([state, why]);
      },
    }),
  );
  await within("the server", server.untilServing());
  const hub = cleanup.use(
    new HubClient({ address: first.callAddress, connectTimeoutMs: PATIENCE_MS }),
  );
  const buy = (waitForServerMs = 0) =>
    hub.unary(shop["Buy"]!, { sku: "tea" }, { server: "edge-1", waitForServerMs });
  await buy();
  await first.drain(AbortSignal.timeout(0));
  // A call that is sent while the hub closes may have been carried out; the next one was not.
  const error = await until("the client to notice", async () => {
    const error = await failureOf(buy());
    return error.hop === "client → hub" && error;
  });
  assert.deepEqual([error.status, error.delivery], ["UNAVAILABLE", "not-delivered"]);
  cleanup.use(await start({ tunnel, call }));
  assert.equal((await buy(PATIENCE_MS)).response.text, "tea");
  await within("the server", server.untilServing());
  assert.equal(server.state, "serving");
  assert.ok(states.some(([state, why]) => state === "waiting" && why !== undefined), `${states}`);

  await server.stop();
  assert.equal(server.state, "stopped");
  await assert.rejects(server.untilServing(), /^Error: The server was stopped before/);
});

Deno.test("a hub that leaves each connection at once is not dialled again and again", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const frame = (length: number, type: number) => [0, 0, length, type, 0, 0, 0, 0, 0];
  const [SETTINGS, GOAWAY] = [4, 7];
  const hello = [...frame(0, SETTINGS), ...frame(8, GOAWAY), 0, 0, 0, 0, 0, 0, 0, 0];
  let dialled = 0;
  const served = (async () => {
    for await (const connection of listener) {
      dialled++;
      await connection.write(new Uint8Array(hello));
      connection.readable.pipeTo(new WritableStream()).catch(() => {});
    }
  })();
  const { port } = listener.addr;
  await using hub = new HubClient({ address: `127.0.0.1:${port}` });
  await assert.rejects(
    hub.unary(shop["Buy"]!, { sku: "tea" }, { timeoutMs: PATIENCE_MS }),
    (error: unknown) =>
      error instanceof CallError && error.status === "UNAVAILABLE" &&
      error.delivery === "not-delivered",
  );
  assert.equal(dialled, 2);
  listener.close();
  await served;
});

Deno.test("options that cannot be used are refused at once", async () => {
  assert.throws(() => new HubClient({ address: "hub.example" }), /"hub.example" is not an address/);
  const options = { hubUri: "wss://hub.example", services: [] };
  await assert.rejects(serveOnHub({ ...options, name: "Edge 1" }), /not a server name/);
  await assert.rejects(
    serveOnHub({ ...options, name: "edge-1", hubUri: "ftp://hub" }),
    /not the URI of a hub/,
  );
});
