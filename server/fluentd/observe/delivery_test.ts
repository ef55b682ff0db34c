/**
 * Fluentds that collect and cannot deliver, and what their end would lose: with a real one.
 */
import assert from "node:assert/strict";
import type { fluentd_v1_FluentdState as FluentdState } from "../../../shared/gen/types.ts";
import { fluentdVersions } from "../../../tests/support/fluentd.ts";
import { freePort } from "../../../tests/support/free_port.ts";
import { eachAsTest, refused, type Story, TestFluentd, until } from "../testing/kit.ts";

const versions = fluentdVersions();
const stories: Record<string, Story> = {};

function row(name: string, story: (command: string[]) => Promise<void>): void {
  for (const { label, command } of versions) stories[name + label] = () => story(command);
}

function hasWarning({ warnings = [] }: FluentdState, code: string): boolean {
  return warnings.some((warning) => warning.code === code);
}

interface Delivering {
  /** Where it delivers to. */
  readonly to: number;
  /** Of the buffer. @default memory */
  readonly path?: string;
  readonly monitor?: number;
}

/** Ten events a second, delivered at once, where somebody listens. */
function delivering({ to, path, monitor }: Delivering): string {
  const agent = monitor === undefined
    ? ""
    : `<source>\n  @type monitor_agent\n  bind 127.0.0.1\n  port ${monitor}\n</source>\n`;
  const buffer = path === undefined ? "" : `    @type file\n    path ${path}\n`;
  return `${agent}<source>\n  @type sample\n  tag t\n  rate 10\n</source>
<match t>
  @type http
  @id to-siem
  endpoint http://127.0.0.1:${to}/
  open_timeout 1
  <buffer>
${buffer}    flush_interval 0.1s
    retry_type periodic
    retry_wait 0.1s
    retry_forever true
  </buffer>
</match>
`;
}

function failing({ service }: TestFluentd): Promise<FluentdState> {
  return until("DEGRADED by its output", async () => {
    const state = await service.status({ view: "FULL" });
    return state.health === "DEGRADED" && hasWarning(state, "OUTPUT_FAILING") ? state : undefined;
  });
}

for (const by of ["log", "monitor"]) {
  row(
    `G15: an output that cannot deliver is DEGRADED, by the ${by}; its memory is not lost unasked`,
    async (command) => {
      const ports = by === "monitor" ? { monitor: freePort() } : {};
      await using fluentd = await TestFluentd.open(delivering({ to: freePort(), ...ports }), {
        command,
        monitor: ports.monitor === undefined ? undefined : `127.0.0.1:${ports.monitor}`,
      });
      const { service } = fluentd;
      assert.equal((await service.start()).status, "SUCCESS", "naive");
      const state = await failing(fluentd);
      assert.match(state.reasons?.join() ?? "", /collects and cannot deliver.*"to-siem"/);
      assert.ok(state.workers?.[0]?.runsBy?.includes("log"), "naive");
      const again = await service.start();
      assert.deepEqual([again.status, again.after?.health], ["NOCHANGE", "DEGRADED"]);
      for (const call of [() => service.stop(), () => service.restart()]) {
        const error = await refused(call(), "FAILED_PRECONDITION", "UNSENT_IN_MEMORY");
        assert.match(error.message, /"to-siem"/);
      }
      assert.equal((await service.status()).supervisor?.pid, state.supervisor?.pid, "not touched");
      const stopped = await service.stop({ acceptLoss: true });
      assert.equal(stopped.status, "SUCCESS", stopped.failure?.message ?? "");
      assert.equal(stopped.remainingBufferBytes ?? 0, 0);
    },
  );
}

row(
  "G15: Stop tells what is left in file buffers, and nobody has to accept that",
  async (command) => {
    await using fluentd = await TestFluentd.open("", { command });
    const path = `${fluentd.dir}/buffer`;
    await fluentd.write(delivering({ to: freePort(), path }));
    const { service } = fluentd;
    await service.start();
    await failing(fluentd);
    const stopped = await service.stop();
    assert.equal(stopped.status, "SUCCESS", stopped.failure?.message ?? "");
    const sizes: number[] = [];
    for await (const { name } of Deno.readDir(path)) {
      if (name.endsWith(".log")) sizes.push((await Deno.stat(`${path}/${name}`)).size);
    }
    const left = sizes.reduce((total, size) => total + size, 0);
    assert.ok(left > 0);
    assert.equal(stopped.remainingBufferBytes, left);
    assert.equal((await service.stop()).remainingBufferBytes, left, "and when it has stopped");
  },
);

row("G15: small buffers in memory that can be delivered stand in nobody's way", async (command) => {
  await using siem = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(),
  );
  const config = delivering({ to: siem.addr.port }).replace(
    "flush_interval 0.1s",
    "flush_interval 600s",
  );
  await using fluentd = await TestFluentd.open(config, { command });
  const { service } = fluentd;
  await service.start();
  const { status, failure } = await service.restart();
  assert.equal(status, "SUCCESS", failure?.message ?? "");
  assert.equal((await service.stop()).status, "SUCCESS");
});

const BROKEN_OUTPUT = `
require 'fluent/plugin/output'
class NeverOutput < Fluent::Plugin::Output
  Fluent::Plugin.register_output('never', self)
  def write(chunk)
    raise Fluent::UnrecoverableError, "never"
  end
end
`;

row("G15: chunks that were moved to backup are told", async (command) => {
  await using fluentd = await TestFluentd.open("", {});
  await Deno.mkdir(`${fluentd.dir}/plugins`);
  await Deno.writeTextFile(`${fluentd.dir}/plugins/out_never.rb`, BROKEN_OUTPUT);
  await fluentd.write(
    `<system>\n  root_dir ${fluentd.dir}/root\n</system>\n` +
      "<source>\n  @type sample\n  tag t\n</source>\n" +
      "<match t>\n  @type never\n  <buffer>\n    flush_interval 0.1s\n  </buffer>\n</match>\n",
  );
  await fluentd.reopen({ command: [...command, "-p", `${fluentd.dir}/plugins`] });
  const { service } = fluentd;
  assert.equal((await service.start()).status, "SUCCESS", "naive");
  const { warnings } = await until("the warning", async () => {
    const state = await service.status();
    return hasWarning(state, "CHUNKS_IN_BACKUP") ? state : undefined;
  });
  assert.match(JSON.stringify(warnings), new RegExp(`${fluentd.dir}/root/backup/worker0`));
});

eachAsTest(stories, { ignore: versions.length === 0 });
