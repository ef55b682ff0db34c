import assert from "node:assert/strict";
import { delay } from "../../shared/async/delay.ts";
import { until } from "../../tests/support/until.ts";
import { hubTest, runClient } from "../testing/fake_hub.ts";

hubTest("completion knows labels, methods, symbols and fields", async (hub, t) => {
  hub.script.servers = {
    servers: [{ name: "a", state: "ONLINE", labels: { env: "prod", role: "edge" } }],
  };
  const to = ["-s", hub.address];
  const table: [words: string[], lines: string[]][] = [
    [["hub", "servers", ...to, "-l", ""], ["env=prod", "role=edge"]],
    [["hub", "servers", ...to, "-l", "env=prod,r"], ["env=prod,role=edge"]],
    [["fluentd", "stop", ...to, "--selector=e"], ["--selector=env=prod"]],
    [["call", ...to, "echo.v1.Echo/U"], ["echo.v1.Echo/Unary"]],
    [["call", ...to, "echo.v1.Echo/Unary", ""], ["a"]],
    // A server may stand before its method.
    [["call", ...to, "a"], ["a"]],
    [["call", ...to, "a", "echo.v1.Echo/U"], ["echo.v1.Echo/Unary"]],
    [["call", ...to, "a", "echo.v1.Echo/Unary", "--set", "c"], ["count="]],
    [["describe", ...to, "a", "echo.v1.EchoR"], ["echo.v1.EchoRequest", "echo.v1.EchoResponse"]],
    [["describe", ...to, "echo.v1.Echo", ""], ["a"]],
    [["describe", ...to, "echo.v1."], [
      ...["echo.v1.Echo", "echo.v1.EchoRequest", "echo.v1.EchoResponse"],
    ]],
    [["fluentd", "status", "--set", "v"], ["view="]],
    [["fluentd", "status", "--set", "view=F"], ["view=FULL"]],
    [["fluentd", "restart", "--set", "validateFirst=t"], ["validateFirst=true"]],
    [["call", ...to, "echo.v1.Echo/Unary", "--set", "fail"], ["failCode=", "failMessage="]],
  ];
  for (const [words, lines] of table) {
    await t.step(words.join(" "), async () => {
      // A second is all that it may take: on a busy machine that may be over before.
      await until(`"${lines.join(" ")}"`, async () => {
        const { out } = await runClient(["__complete", ...words]);
        return out === lines.map((line) => `${line}\n`).join("");
      });
    });
  }
  // The only server was asked, and the hub where there are several.
  assert.deepEqual(hub.reflected(), ["a"]);
});

hubTest("completion goes on while a hub is slow, and answers", async (hub) => {
  hub.script.servers = { servers: [{ name: "a", state: "ONLINE" }] };
  const slow = () => delay(450);
  Object.assign(hub.script, { before: slow, beforeReflection: slow });
  const words = ["__complete", "call", "-s", hub.address, "echo.v1.Echo/U"];
  // Each of three answers must come within a second: on a busy machine one may not.
  await until("a method", async () => (await runClient(words)).out === "echo.v1.Echo/Unary\n");
});

hubTest("completion gives nothing after a second, or from a hub that is not there", async (hub) => {
  hub.script.before = (signal) =>
    new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
  const silent = await runClient(["__complete", "hub", "servers", "-s", hub.address, "-l", ""]);
  assert.deepEqual([silent.code, silent.out, silent.err], [0, "", ""]);
  await hub[Symbol.asyncDispose]();
  const gone = await runClient(["__complete", "call", "-s", hub.address, ""]);
  assert.deepEqual([gone.code, gone.out, gone.err], [0, "", ""]);
});
