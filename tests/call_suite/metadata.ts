/**
 * Metadata goes through untouched, in each direction and in each place.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Case } from "./case.ts";
import type { Headers, Outcome } from "../support/echo_client.ts";
import { joined, ok, requestId, text } from "./expect.ts";

/** What is sent in each of the three directions, and how it reads at the other end. */
const VALUES: readonly [name: string, value: Headers[string], reads: string][] = [
  ["text", "plain", "plain"],
  ["empty", "", ""],
  ["inner-space", "a  b", "a  b"],
  ["punctuation", `!"#$%&'()*+-./:;<=>?@[]^_\`{|}~`, `!"#$%&'()*+-./:;<=>?@[]^_\`{|}~`],
  ["double", ["a", "b"], "a, b"],
  ["some-bin", Uint8Array.of(0, 1, 2, 253, 254, 255), "AAEC/f7/"],
  ["empty-bin", new Uint8Array(), ""],
  ["utf8-bin", new TextEncoder().encode("é→😀"), Buffer.from("é→😀").toString("base64")],
  ["double-bin", [Uint8Array.of(1), Uint8Array.of(2, 3)] as never, "AQ==, AgM="],
];

/** Names near to those that gRPC, HTTP or the hub use for themselves. */
const NEAR_RESERVED: Headers = {
  "grpc-tags-bin": Uint8Array.of(7),
  "grpc-previous-thing": "1",
  "x-hub": "not for the hub",
  "x-hub-servers": "not for the hub either",
  "names": "nor this",
  "authorization-note": "none",
  "cookie": "a=1; b=2",
  "forwarded-note": "x",
  "x-request-id": "0-9",
  "content-language": "de",
};

function both(): Headers {
  const headers: Record<string, Headers[string]> = {};
  for (const [name, value] of VALUES) {
    headers[`echo-${name}`] = value;
    headers[`trail-${name}`] = value;
  }
  return headers;
}

function expectBoth({ headers, trailers }: Outcome): void {
  for (const [name, , reads] of VALUES) {
    assert.equal(joined(headers, `echo-${name}`), reads, `echo-${name} in the initial headers`);
    assert.equal(joined(trailers, `trail-${name}`), reads, `trail-${name} in the trailers`);
    assert.equal(joined(trailers, `echo-${name}`), "", `echo-${name} stays out of the trailers`);
  }
}

export const metadata: readonly Case[] = [
  ["unary", async (client) => {
    expectBoth(ok(await client.unary({ data: text("x") }, { metadata: both() })));
  }],
  ["server stream", async (client) => {
    expectBoth(ok(await client.serverStream({ count: 2 }, { metadata: both() }).outcome));
  }],
  ["client stream", async (client) => {
    const { call, outcome } = client.clientStream({ metadata: both() });
    call.write({});
    call.end();
    expectBoth(ok(await outcome));
  }],
  ["bidi", async (client) => {
    const { call, outcome } = client.bidi({ metadata: both() });
    call.write({});
    call.end();
    expectBoth(ok(await outcome));
  }],
  ["the server sees it", async (client, path) => {
    const id = requestId();
    ok(await client.unary({}, { metadata: { ...both(), "x-echo-id": id } }));
    const record = await client.record(id, () => true);
    for (const [name, , reads] of VALUES) {
      assert.equal(record.metadata[`echo-${name}`]?.join(", "), reads, `echo-${name}`);
    }
    assert.match(record.metadata["user-agent"]?.join() ?? "", path.userAgent ?? /^grpc-node-js\//);
    assert.equal(record.method, "/echo.v1.Echo/Unary");
  }],
  ["names that look reserved are the caller's all the same", async (client, { habits }) => {
    const id = requestId();
    ok(await client.unary({}, { metadata: { ...NEAR_RESERVED, "x-echo-id": id } }));
    const record = await client.record(id, () => true);
    for (const [name, value] of Object.entries(NEAR_RESERVED)) {
      if (habits?.keeps?.includes(name)) continue;
      const reads = typeof value === "string"
        ? value
        : Buffer.from(value as never).toString("base64");
      assert.equal(record.metadata[name]?.join(", "), reads, name);
    }
  }],
  ["7 KiB in 100 fields", async (client) => {
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`echo-${i}`, `${i}-`.padEnd(60, "v")]),
    );
    const { headers } = ok(await client.unary({}, { metadata: many }));
    for (const [name, value] of Object.entries(many)) assert.equal(joined(headers, name), value);
  }],
  ["7 KiB in one field", async (client) => {
    const value = "v".repeat(7 * 1024);
    const { headers } = ok(await client.unary({}, { metadata: { "echo-long": value } }));
    assert.equal(joined(headers, "echo-long"), value);
  }],
  ["initial headers come before the first message", async (client) => {
    const stop = new AbortController();
    const { headers, outcome } = client.serverStream(
      { headersFirst: true, hang: true },
      { metadata: { "echo-early": "yes" }, signal: stop.signal },
    );
    assert.equal(joined(await headers, "echo-early"), "yes");
    stop.abort();
    assert.equal((await outcome).code, 1);
  }],
  ["initial headers come before the second request", async (client) => {
    const { call, headers, outcome } = client.bidi({ metadata: { "echo-early": "yes" } });
    call.write({ headersFirst: true, delayMs: 50 });
    assert.equal(joined(await headers, "echo-early"), "yes");
    call.write({ data: text("second") });
    call.end();
    assert.equal(ok(await outcome).responses.length, 2);
  }],
];
