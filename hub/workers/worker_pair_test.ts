/** Servers at two workers of one hub, of which a test chooses the worker. */
import assert from "node:assert/strict";
import { RawTunnel } from "../../tests/support/raw_tunnel.ts";
import { until } from "../../tests/support/until.ts";
import type { ghub_v1_ListServersResponse as ListServersResponse } from "../../shared/gen/types.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { SharedTally } from "../../shared/memory/shared_tally.ts";
import { HELD_HEADER, HUB_ID_HEADER } from "../../shared/registration/hub_id.ts";
import { RENEWING } from "../../shared/registration/renewing.ts";
import { KEYS_HEADER, NONCE_HEADER, readKeys } from "../../shared/vouchers/voucher.ts";
import { Asker } from "../testing/asker.ts";
import { dialCalls, type Dialled, dialTunnel } from "../testing/dialled.ts";
import { ANSWER, CALL, trailers } from "../testing/relayed.ts";
import { startPair } from "./testing/worker_pair.ts";

/** What a field says in the answer to a dial. */
const fieldIn = ({ answer }: RawTunnel, field: string) =>
  new RegExp(`^${field}: (\\S+)`, "im").exec(answer)![1]!;

Deno.test("a server with a tunnel at one worker gets no second one at another worker", async () => {
  await using pair = await startPair();
  const [one, two] = pair.hubs.map(({ tunnelAddress }) => tunnelAddress) as [string, string];
  const server = { name: "edge-1", instance: crypto.randomUUID() };
  using first = await RawTunnel.open(one, server);
  const asks = async (instance: string) => {
    const headers = { [HELD_HEADER]: fieldIn(first, HUB_ID_HEADER) };
    using asked = await RawTunnel.open(two, { ...server, instance, headers });
    return asked.status;
  };
  const { cluster } = pair.hubs[1];
  await until("news at the other worker", () => cluster?.placesOf(server.name).length === 1);
  assert.equal(await asks(server.instance), 409);
  assert.equal(first.closed, false);
  // Another machine of that name says what it holds as well, and comes in.
  assert.equal(await asks(crypto.randomUUID()), 101);
});

Deno.test("without a state folder all workers sign vouchers with one key", async () => {
  await using pair = await startPair();
  const keysAt = async (tunnelUri: string, server: string) => {
    const nonce = "n".repeat(22);
    const headers = { [NONCE_HEADER]: nonce };
    using tunnel = await RawTunnel.open(tunnelUri, { name: server, headers });
    const statement = fieldIn(tunnel, KEYS_HEADER);
    return readKeys(statement, { server, nonce }).keys.map(({ id }) => id);
  };
  const [one, two] = pair.hubs.map(({ tunnelAddress }) => tunnelAddress) as [string, string];
  const keys = await keysAt(one, "edge-1");
  assert.equal(new Set(keys).size, 2);
  assert.deepEqual(await keysAt(two, "edge-2"), keys);
});

const TO_EDGE = encodeHeaderList([...CALL, ["x-hub-server", "edge-1"]]);

/**
 * A server at the second worker renews its tunnel, and its new one comes to a worker, while a call at
 * the first worker waits for it.
 *
 * @returns Whether the call was answered there: on a machine that stands still its time may be over.
 */
async function callFollows(
  old: "draining" | "closed" | "moved before, closed",
  to: 0 | 1,
): Promise<boolean> {
  await using pair = await startPair();
  const [one, two] = pair.hubs;
  const instance = { "X-Hub-Meta-Instance": crypto.randomUUID() };
  await using caller = await dialCalls(one.callAddress);
  await using asker = await Asker.dial(two.callAddress);
  await using first = old.startsWith("moved")
    ? await dialTunnel(one.tunnelAddress, "edge-1", instance)
    : undefined;
  await using server = await dialTunnel(two.tunnelAddress, "edge-1", instance);
  if (first !== undefined) {
    await first[Symbol.asyncDispose]();
    await until("the end of the first one", () => one.cluster?.departureOf("edge-1")?.left);
  }
  await until("news at the caller's worker", () => one.cluster?.placesOf("edge-1").length === 1);
  server.recorder.connection.goaway(ErrorCode.NO_ERROR, { debug: RENEWING });
  server.flush();
  await until("the end of the old tunnel", async () => {
    const { servers } = await asker.one<ListServersResponse>("ListServers");
    return servers?.[0]?.state === "DRAINING";
  });
  if (old !== "draining") {
    await server[Symbol.asyncDispose]();
    await until("news of that", () => one.cluster?.placesOf("edge-1").length === 0);
  }
  const made = caller.recorder.request(TO_EDGE);
  caller.recorder.connection.data(made, new TextEncoder().encode("hello"), true);
  caller.flush();
  const lineOf = ({ recorder }: Dialled, pattern: RegExp) =>
    recorder.log.find((line) => pattern.test(line));
  const answer = () => lineOf(caller, new RegExp(`^headers ${made.id} .*grpc-status`));
  const waiting = new SharedTally(pair.host.memory.tallies.waiting);
  await until("the call to wait", () => waiting.sum === 1 || answer() !== undefined);
  await using renewed = await dialTunnel(pair.hubs[to].tunnelAddress, "edge-1", instance);
  const arrived = () => lineOf(renewed, /^data \d+ "hello" end/);
  await until("the call at the new tunnel", () => arrived() ?? answer());
  if (arrived() === undefined) return false;
  const [, id] = lineOf(renewed, /^open \d+ .*Echo/)!.split(" ");
  const { connection, streams } = renewed.recorder;
  connection.headers(streams.get(Number(id))!, ANSWER, false);
  connection.headers(streams.get(Number(id))!, trailers(), true);
  renewed.flush();
  assert.match(await until("the answer", answer), /grpc-status=0/);
  assert.equal(waiting.sum, 0);
  return true;
}

Deno.test("a call meanwhile waits for a tunnel that a server renews, and follows it to any worker", async (t) => {
  const table: [what: string, ...Parameters<typeof callFollows>][] = [
    ["from another worker to the caller's", "draining", 0],
    ["at another worker", "draining", 1],
    ["from another worker to the caller's, after the old one has closed", "closed", 0],
    ["at another worker, after the old one has closed", "closed", 1],
    ["to the caller's worker, where the server was before", "moved before, closed", 0],
  ];
  for (const [what, old, to] of table) {
    await t.step(what, async () => {
      for (let tries = 1; !await callFollows(old, to); tries++) {
        assert.ok(tries < 5, "its calls did not wait");
      }
    });
  }
});
