import { callSuite } from "./call_suite.ts";
import { plainPath } from "./support/path.ts";
import { Process, source } from "./support/process.ts";

Deno.test("the call suite holds on a direct connection", async (t) => {
  await using echo = Process.deno("echo", source("tests/support/echo_server.ts"));
  const [, address] = await echo.line(/^echo ready address=(\S+)$/);
  await callSuite(t, plainPath("direct", address!));
});
