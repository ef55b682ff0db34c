import assert from "node:assert/strict";
import { readToken } from "./token.ts";

Deno.test({
  name: "readToken() asks for no flag of Deno when the file is a device",
  ignore: Deno.build.os !== "linux",
  // As gclient has them.
  permissions: { read: true, net: true, env: true },
  async fn() {
    await assert.rejects(readToken({ tokenFile: "/dev/stdin", tokenCommand: [] }, {}), {
      name: "UsageError",
      message: 'Cannot read token file "/dev/stdin": it must be a file or a pipe',
      hint: "GCLIENT_TOKEN can hold the token itself",
    });
  },
});
