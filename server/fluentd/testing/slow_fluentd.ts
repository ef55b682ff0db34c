/**
 * A Fluentd whose output takes its time to end, or never does, for tests.
 *
 * @module
 */
import { TestFluentd } from "./kit.ts";

/** An output that takes its time to end and, with `stubborn`, never does. */
function slowConfig(dir: string, stubborn: boolean): string {
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
  @type slow_stop
  seconds ${stubborn ? 60 : 6}
</match>
`;
}

const SLOW_PLUGIN = `
require 'fluent/plugin/output'
class SlowStop < Fluent::Plugin::Output
  Fluent::Plugin.register_output('slow_stop', self)
  config_param :seconds, :integer
  def process(tag, es); end
  def shutdown
    sleep @seconds
    super
  end
end
`;

export async function openSlow(command: string[], stubborn: boolean): Promise<TestFluentd> {
  const fluentd = await TestFluentd.open("", {});
  await Deno.mkdir(`${fluentd.dir}/plugins`);
  await Deno.writeTextFile(`${fluentd.dir}/plugins/out_slow_stop.rb`, SLOW_PLUGIN);
  await Deno.writeTextFile(`${fluentd.dir}/slow.sh`, "#!/bin/sh\nexec sleep 61\n", { mode: 0o755 });
  await fluentd.write(slowConfig(fluentd.dir, stubborn));
  await fluentd.reopen({ command: [...command, "-p", `${fluentd.dir}/plugins`] });
  return fluentd;
}
