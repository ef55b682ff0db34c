/**
 * A Fluentd whose output starts and ends only when the test allows it, for tests: how long that takes is
 * no matter of the machine's speed.
 *
 * @module
 */
import { TestFluentd } from "./kit.ts";

/** An output that waits for as long as a file is there. */
function slowConfig(dir: string): string {
  // Fluentd's workers wait in `shutdown` for the plugin: this is what a hung output looks like.
  return `<system>
</system>
<source>
  @type exec
  tag test
  command ${dir}/slow.sh
  <parse>
    @type none
  </parse>
</source>
<match **>
  @type slow
  dir ${dir}
</match>
`;
}

const SLOW_PLUGIN = `
require 'fluent/plugin/output'
class Slow < Fluent::Plugin::Output
  Fluent::Plugin.register_output('slow', self)
  config_param :dir, :string
  def process(tag, es); end
  def start
    super
    sleep 0.1 while File.exist?(File.join(@dir, 'no-start'))
  end
  def shutdown
    sleep 0.1 while File.exist?(File.join(@dir, 'no-end'))
    super
  end
end
`;

/** A Fluentd that starts, and does not end before {@linkcode allow}. */
export async function openSlow(command: string[]): Promise<TestFluentd> {
  const fluentd = await TestFluentd.open("", {});
  await Deno.mkdir(`${fluentd.dir}/plugins`);
  await Deno.writeTextFile(`${fluentd.dir}/plugins/out_slow.rb`, SLOW_PLUGIN);
  await Deno.writeTextFile(`${fluentd.dir}/slow.sh`, "#!/bin/sh\nexec sleep 3600\n", {
    mode: 0o755,
  });
  await fluentd.write(slowConfig(fluentd.dir));
  await forbid(fluentd, "end");
  await fluentd.reopen({ command: [...command, "-p", `${fluentd.dir}/plugins`] });
  return fluentd;
}

/** From now on it does not get to its start, or to its end. */
export async function forbid({ dir }: TestFluentd, what: "start" | "end"): Promise<void> {
  await Deno.writeTextFile(`${dir}/no-${what}`, "");
}

/** What was forbidden goes on. */
export async function allow({ dir }: TestFluentd, what: "start" | "end"): Promise<void> {
  await Deno.remove(`${dir}/no-${what}`);
}
