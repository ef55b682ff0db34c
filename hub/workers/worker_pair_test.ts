/** Servers at two workers of one hub, of which a test chooses the worker. */
import assert from "node:assert/strict";
import { RawTunnel } from "../../tests/support/raw_tunnel.ts";
import { until } from "../../tests/support/until.ts";
import { HELD_HEADER, HUB_ID_HEADER } from "../../shared/registration/hub_id.ts";
import { KEYS_HEADER, NONCE_HEADER, readKeys } from "../../shared/vouchers/voucher.ts";
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
