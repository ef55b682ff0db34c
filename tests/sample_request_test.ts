/**
 * What `gclient … -p` prints is a request that a server takes as it stands, in every format.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Status } from "../shared/grpc/status.ts";
import { World } from "./support/world.ts";

/** How a command ends at a server whose Fluentd is not installed; its request is looked at before. */
const COMMANDS: Readonly<Record<string, number>> = {
  start: 64 + Status.FAILED_PRECONDITION,
  stop: 0,
  restart: 64 + Status.FAILED_PRECONDITION,
  status: 0,
};

Deno.test("a server takes each sample request as it is printed", async (t) => {
  await using world = await World.start({ servers: [] });
  const flags = {
    manager: "spawn",
    command: "/nowhere/fluentd",
    config: `${world.dir}/fluent.conf`,
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--fluentd-${name}`, value]);
  await world.startServer({ name: "edge-1", program: "gserver", args });
  const fluentd = (args: string[], stdin?: string) =>
    world.gclient(["fluentd", ...args], stdin === undefined ? {} : { stdin });

  for (const [command, code] of Object.entries(COMMANDS)) {
    for (const format of ["json", "prettyjson", "yaml", "xml"]) {
      await t.step(`${command} as ${format}`, async () => {
        const { stdout: sample } = await fluentd([command, "-p", "-o", format]);
        const result = await fluentd([command, "edge-1"], sample);
        assert.equal(result.code, code, result.stderr);
      });
    }
  }
  await t.step("a request that it does not take ends otherwise", async () => {
    const { stdout: sample } = await fluentd(["start", "-p"]);
    const result = await fluentd(["start", "edge-1", "--set", "wait=2s"], sample);
    assert.equal(result.code, 64 + Status.INVALID_ARGUMENT, result.stderr);
    assert.match(result.stderr, /longer than min_healthy/);
  });
});
