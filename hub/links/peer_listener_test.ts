/**
 * Strangers at the port for other hubs, over real TLS.
 */
import { configure, type LogRecord, reset } from "@logtape/logtape";
import assert from "node:assert/strict";
import { once } from "node:events";
import tls from "node:tls";
import { LINES_PER_SOURCE } from "../observe/refused_lines.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { until } from "../../tests/support/until.ts";
import { PeerDialler } from "./peer_dial.ts";
import { LinkedHubs } from "../testing/linked_hubs.ts";
import { PEER_ALPN } from "./peer_dial.ts";

/** Says something else than a hub does, until it is sent away. */
async function intrude(address: string): Promise<string> {
  const { hostname: host, port } = new URL(`tcp://${address}`);
  const socket = tls.connect({
    host,
    port: Number(port),
    ALPNProtocols: [PEER_ALPN],
    rejectUnauthorized: false,
  });
  let told = "";
  socket.on("data", (bytes: Uint8Array) => told += new TextDecoder().decode(bytes));
  socket.on("error", () => {});
  socket.write("hello\n");
  await once(socket, "close");
  return told;
}

Deno.test("strangers at the peer port write a bounded number of log lines, and are counted beyond", async () => {
  const records: LogRecord[] = [];
  await configure({
    sinks: { records: (record) => records.push(record) },
    loggers: [
      { category: ["hub"], sinks: ["records"] },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  try {
    {
      await using hubs = await LinkedHubs.start({ a: {} });
      const { peerAddress } = hubs.of("a").record;
      for (let i = 0; i < LINES_PER_SOURCE + 5; i++) {
        assert.match(await intrude(peerAddress), /does not speak as a hub's peer port does/);
      }
    }
    const of = (category: string) => records.filter((record) => record.category[1] === category);
    assert.equal(of("links").length, LINES_PER_SOURCE);
    assert.deepEqual(of("refused").map(({ properties }) => properties["what"]), ["connections"]);
    assert.match(String(of("refused")[0]!.properties["often"]), /^5 more since /);
  } finally {
    await reset();
  }
});

Deno.test("a hub with another secret says so to the one that it dials, whose log tells it", async () => {
  const records: LogRecord[] = [];
  await configure({
    sinks: { records: (record) => records.push(record) },
    loggers: [
      { category: ["hub", "links"], sinks: ["records"] },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  try {
    await using hubs = await LinkedHubs.start({ a: {} });
    const { peerAddress, session } = hubs.of("a").record;
    const identity = await generateCertificate(["localhost"]);
    const secret = "another secret, as long as it must be";
    const dialled = new PeerDialler({ ...identity, secret }).dial(peerAddress, {
      self: { name: "c", session: "session-of-c", version: "1", protocol: 1 },
      session,
      signal: new AbortController().signal,
    });
    await assert.rejects(dialled, /Hub "a" does not hold the secret/);
    await until(
      "its log to tell",
      () =>
        records.some(({ properties }) =>
          /refuses: You do not hold the secret/.test(String(properties["reason"]))
        ),
    );
  } finally {
    await reset();
  }
});
