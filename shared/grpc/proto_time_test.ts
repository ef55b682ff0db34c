import assert from "node:assert/strict";
import { duration, durationMs, timestamp, timestampMs } from "./proto_time.ts";
import { retryInfo } from "./rpc_error.ts";

Deno.test("C11: nanos of a Duration or Timestamp are never 1,000,000,000", async (t) => {
  for (const ms of [999.9999999, 999.99999999999, 1999.9999999, -1e-20, 1e12 + 0.9999999]) {
    await t.step(`${ms} ms`, () => {
      const { value } = retryInfo(ms) as { value: { retryDelay: { nanos: number } } };
      for (const { nanos } of [duration(ms), timestamp(ms), value.retryDelay]) {
        assert.ok(Math.abs(nanos ?? 0) <= 999_999_999, String(nanos));
      }
    });
  }
});

Deno.test("C11: only one file converts milliseconds to protobuf's times and back", async () => {
  const found: string[] = [];
  for (const folder of ["hub", "server", "client", "shared"]) await search(folder, found);
  assert.deepEqual(found, ["shared/grpc/proto_time.ts"]);
});

async function search(folder: string, found: string[]): Promise<void> {
  const root = new URL("../../", import.meta.url);
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    const path = `${folder}/${name}`;
    if (isDirectory) {
      if (path !== "shared/gen" && path !== "shared/codec") await search(path, found);
    } else if (/(?<!_test)\.ts$/.test(name)) {
      const text = await Deno.readTextFile(new URL(path, root));
      if (/nanos.*1e6|1e6.*nanos|1_000_000.*nanos/.test(text)) found.push(path);
    }
  }
}

Deno.test("timestamp() never has negative nanos", async (t) => {
  const table: [ms: number, seconds: number, nanos: number][] = [
    [0, 0, 0],
    [1500, 1, 500_000_000],
    [2000.9, 2, 0],
    [-1, -1, 999_000_000],
    [-0.5, -1, 999_000_000],
  ];
  for (const [ms, seconds, nanos] of table) {
    await t.step(`${ms} ms`, () => assert.deepEqual(timestamp(ms), { seconds, nanos }));
  }
});

Deno.test("duration() has two parts of the same sign", async (t) => {
  const table: [ms: number, seconds: number, nanos: number][] = [
    [0, 0, 0],
    [0.001, 0, 1000],
    [999, 0, 999_000_000],
    [1500, 1, 500_000_000],
    [-1, 0, -1_000_000],
    [-1500, -1, -500_000_000],
    [-2000, -2, 0],
  ];
  for (const [ms, seconds, nanos] of table) {
    await t.step(`${ms} ms`, () => assert.deepEqual(duration(ms), { seconds, nanos }));
  }
});

Deno.test("durationMs() and timestampMs() read what is there", () => {
  assert.equal(durationMs({}), 0);
  assert.equal(durationMs({ seconds: 1, nanos: 500_000 }), 1000.5);
  assert.equal(durationMs({ seconds: -1, nanos: -500_000_000 }), -1500);
  assert.equal(timestampMs({ seconds: 1, nanos: 1_999_999 }), 1001);
});
