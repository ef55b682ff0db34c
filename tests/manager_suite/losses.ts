/**
 * What an end would lose or leave behind, and what no answer may tell.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { fluentd_v1_FluentdState as FluentdState } from "../../shared/gen/types.ts";
import { refused } from "../../server/fluentd/testing/kit.ts";
import type { KeptFluentd } from "../support/kept_fluentd.ts";
import { until } from "../support/until.ts";
import { type Case, stopped, team } from "./case.ts";

/** In the config of each of these, and in what Fluentd says of it. */
const SECRET = "M4rkedS3cret";

/** Events for a destination where nobody listens; with `folder` they wait in files. */
function undeliverable(kept: KeptFluentd, folder?: string): string {
  const buffer = folder === undefined ? "" : `    @type file\n    path ${folder}\n`;
  return `<source>\n  @type sample\n  tag t\n  rate 10\n</source>
<match t>
  @type http
  @id to-siem
  endpoint http://siem:${SECRET}@127.0.0.1:${kept.freePort()}/
  headers {"Authorization":"Bearer ${SECRET}"}
  open_timeout 1
  <auth>
    method basic
    username siem
    password ${SECRET}
  </auth>
  <buffer>
${buffer}    flush_interval 0.1s
    retry_type periodic
    retry_wait 0.1s
    retry_forever true
  </buffer>
</match>
`;
}

/** Starts it, and waits until it is told that it cannot deliver. */
async function failing(kept: KeptFluentd, folder?: string): Promise<FluentdState> {
  await stopped(kept);
  await kept.write(undeliverable(kept, folder));
  const { status, failure } = await kept.client.start({ skipValidate: true });
  assert.equal(status, "SUCCESS", failure?.message ?? "");
  return await until("DEGRADED by its output", async () => {
    const state = await kept.client.status();
    const said = state.warnings?.some(({ code }) => code === "OUTPUT_FAILING");
    return state.health === "DEGRADED" && said ? state : undefined;
  });
}

export const losses: readonly Case[] = [
  ["what only memory holds is lost by nobody who did not ask for it", async (kept) => {
    const before = await failing(kept);
    const { client } = kept;
    assert.equal((await client.start()).status, "NOCHANGE", "no start would mend it");
    for (const call of [() => client.stop(), () => client.restart()]) {
      const error = await refused(call(), "FAILED_PRECONDITION", "UNSENT_IN_MEMORY");
      assert.match(error.message, /"to-siem"/);
    }
    assert.deepEqual(team(await client.status()), team(before), "not touched");
    const restarted = await client.restart({ acceptLoss: true });
    assert.equal(restarted.status, "SUCCESS", restarted.failure?.message ?? "");
    const ended = await client.stop({ acceptLoss: true });
    assert.equal(ended.status, "SUCCESS", ended.failure?.message ?? "");
  }],
  ["a Stop tells how many bytes are left in files", async (kept) => {
    const folder = `${kept.dir}/buffer`;
    await failing(kept, folder);
    const ended = await kept.client.stop();
    assert.equal(ended.status, "SUCCESS", ended.failure?.message ?? "");
    const { stdout } = await kept.run("find", folder, "-name", "*.log", "-printf", "%s\n");
    const left = stdout.trim().split("\n").reduce((total, size) => total + Number(size), 0);
    assert.ok(left > 0);
    assert.equal(ended.remainingBufferBytes, left);
    assert.equal((await kept.client.stop()).remainingBufferBytes, left, "and when it has stopped");
  }],
  ["a secret of the config is in no answer and no error", async (kept) => {
    // Ruby's error quotes it without a name.
    await stopped(kept);
    const raising = `"#{raise 'cannot use ${SECRET} here'}"`;
    await kept.write(undeliverable(kept).replace("tag t", `tag ${raising}`));
    await refused(kept.client.start(), "FAILED_PRECONDITION", "CONFIG_INVALID");
    const { failure } = await kept.client.start({ skipValidate: true });
    assert.match(failure?.logTail?.join("\n") ?? "", /cannot use xxxxxx here/);
    const naive = await kept.run("grep", "-c", SECRET, kept.configPath);
    assert.notEqual(naive.stdout.trim(), "0");
    assert.doesNotMatch(kept.client.told.join("\n"), new RegExp(SECRET));
  }],
];
