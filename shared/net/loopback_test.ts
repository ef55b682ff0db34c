import assert from "node:assert/strict";
import { isLoopback, isLoopbackHost } from "./loopback.ts";

const ADDRESSES: readonly [address: string, is: boolean][] = [
  ["127.0.0.1", true],
  ["127.8.9.10", true],
  ["127.255.255.255", true],
  ["::1", true],
  ["[::1]", true],
  ["::ffff:127.0.0.1", true],
  ["::FFFF:127.0.0.1", true],
  ["[::ffff:7f00:1]", true],
  ["128.0.0.1", false],
  ["10.127.0.0", false],
  ["127.0.0.256", false],
  ["127.1", false],
  ["127.0.0.1.example", false],
  ["127.evil.example", false],
  ["::ffff:10.0.0.1", false],
  ["::ffff:a00:1", false],
  ["::2", false],
  ["", false],
];

Deno.test("C11: isLoopback() is not fooled by what looks alike", async (t) => {
  for (const [address, is] of [...ADDRESSES, ["localhost", false]] as const) {
    await t.step(JSON.stringify(address), () => assert.equal(isLoopback(address), is));
  }
});

Deno.test("C11: isLoopbackHost() takes only reserved names in addition", async (t) => {
  const names: readonly [host: string, is: boolean][] = [
    ["localhost", true],
    ["LOCALHOST.", true],
    ["hub.localhost", true],
    ["notlocalhost", false],
    ["localhost.example", false],
  ];
  for (const [host, is] of [...ADDRESSES, ...names]) {
    await t.step(JSON.stringify(host), () => assert.equal(isLoopbackHost(host), is));
  }
});
