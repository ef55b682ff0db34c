import assert from "node:assert/strict";
import { hubTest, runClient, startFakeHub } from "../testing/fake_hub.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";

/** The names of the rows of the table, in their order. */
const rows = (err: string) =>
  [...err.matchAll(/^\* (\S.*?) +\d+\.\d ms$/gm)].map(([, name]) => name);

hubTest("-v ends with the times of a call", async (hub) => {
  const args = ["fluentd", "status", "-n", "-v", "-s"];
  const { err } = await runClient([...args, hub.address]);
  assert.deepEqual(rows(err), ["resolve", "dial", "hub", "server", "first byte", "all"]);
  assert.match(err, /^< OK\n\* resolve {7,}\d/m);
  const quiet = await runClient(["fluentd", "status", "-n", "-s", hub.address]);
  assert.equal(quiet.err, "");
  await hub[Symbol.asyncDispose]();
  assert.deepEqual(rows((await runClient([...args, hub.address])).err), ["resolve", "all"]);
});

Deno.test("-v has the time of TLS too", async () => {
  const certificate = await generateCertificate(["127.0.0.1"]);
  await using hub = await startFakeHub(certificate);
  const args = ["fluentd", "status", "-n", "-v", "-s", hub.address, "--tls-insecure-skip-verify"];
  const { err } = await runClient(args);
  assert.deepEqual(rows(err), ["resolve", "dial", "TLS", "hub", "server", "first byte", "all"]);
});

hubTest("-v has the times of the connection where the first call on it ends", async (hub) => {
  const args = ["call", "echo.v1.Echo/Unary", "-n", "-v", "-s", hub.address];
  const { err } = await runClient(args);
  const tables = rows(err).join(" ").split(" all").map((table) => table.trim());
  assert.equal(tables[0], "resolve dial hub server first byte");
  assert.equal(tables.at(-2), "server first byte", err);
});
