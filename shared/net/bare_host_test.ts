import assert from "node:assert/strict";
import { bareHost } from "./bare_host.ts";

Deno.test("bareHost() takes the brackets off an address, and leaves all else as it is", () => {
  for (
    const [host, bare] of [
      ["[::1]", "::1"],
      ["::1", "::1"],
      ["192.0.2.1", "192.0.2.1"],
      ["hub.example", "hub.example"],
      ["[", "["],
    ] as const
  ) assert.equal(bareHost(host), bare);
});
