/**
 * A real Fluentd with a marked secret in every place where one can be, at its most talkative; and then
 * everything that our programs answered or wrote is searched for each of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fluentdCommand } from "./support/fluentd.ts";
import { freePort } from "./support/free_port.ts";
import { MAX_KEPT_CHARS } from "./support/process.ts";
import { Secrets } from "./support/secrets.ts";
import { until } from "./support/until.ts";
import { type ServerSpec, World } from "./support/world.ts";

/** Where each stands. */
const PLACES = {
  schema: "a parameter that its plugin alone declares as secret",
  nested: "… in a section within a section",
  form: "a parameter whose name says so",
  url: "a URL",
  variable: "a variable that the config names",
  environment: "a variable whose name says so",
  include: "an @include",
  inline: "the command line",
  buffer: "the path of a buffer",
  id: "the name of a plugin, which the monitor tells",
  record: "a record that stdout prints",
  exception: "an error of Ruby in the config",
  earlier: "the config as it was before",
  yaml: "a config in YAML",
} as const;
type Place = keyof typeof PLACES;

const secretOf = (place: Place) => `m4rked-${place}-q7Zx0`;

/** A plugin that tells all that it knows when it starts, and whenever it fails. */
const PLUGIN = `
require "fluent/plugin/output"
module Fluent::Plugin
  class MarkedOutput < Output
    Fluent::Plugin.register_output("marked", self)
    config_param :opaque, :string, default: nil, secret: true
    config_param :password, :string, default: nil
    config_param :url, :string, default: nil
    config_param :plain, :string, default: nil
    config_section :outer, multi: false do
      config_section :inner, multi: false do
        config_param :opaque, :string, secret: true
      end
    end
    def start
      super
      log.error "started with #{told}"
    end
    def write(chunk)
      raise "401 for #{told}"
    end
    def told
      inner = outer&.inner&.opaque
      path = @buffer.respond_to?(:path) ? @buffer.path : nil
      [opaque, inner, password, url, plain, plugin_id, path, ENV["SOME_TOKEN"]].inspect
    end
  end
end
`;

interface Config {
  readonly dir: string;
  readonly monitor: number;
  readonly port: number;
}

const marked = (name: string, body: string) =>
  `<match ${name}.**>\n  @type marked\n${body}\n</match>\n`;

/** Fails at each delivery, so that answers quote it. */
const config = ({ dir, monitor, port }: Config) => `
<source>
  @type monitor_agent
  bind 127.0.0.1
  port ${monitor}
</source>
<source>
  @type tcp
  tag x
  bind 127.0.0.1
  port ${port}
  <parse>
    @type none
  </parse>
</source>
<source>
  @type sample
  tag record
  sample {"user":"bob","password":"${secretOf("record")}","url":"https://bob:${
  secretOf("record")
}@host/"}
</source>
@include ${dir}/more.conf
<match record>
  @type copy
  <store>
    @type stdout
  </store>
  <store>
    @type marked
    @id https://bob:${secretOf("id")}@host/
    opaque ${secretOf("schema")}
    password ${secretOf("form")}
    url https://bob:${secretOf("url")}@host/x
    <outer>
      <inner>
        opaque ${secretOf("nested")}
      </inner>
    </outer>
    <buffer>
      @type file
      path ${dir}/buffer/token=${secretOf("buffer")}/b
      flush_interval 0.1s
      retry_wait 0.1s
      retry_max_interval 0.2s
    </buffer>
  </store>
</match>
`;

Deno.test({
  name: "G8: no secret of a Fluentd stands in any answer, log, audit, metric or state",
  ignore: fluentdCommand() === undefined,
  fn: async (t) => {
    const secrets = new Secrets();
    for (const place of Object.keys(PLACES) as Place[]) {
      secrets.add(PLACES[place], secretOf(place));
    }
    const seen: [where: string, text: string][] = [];
    await using world = await World.start({
      tls: true,
      servers: [],
      hubArgs: ["--metrics-listen", "127.0.0.1:0", "--log-level", "debug"],
    });
    const dir = `${world.dir}/fluentd`;
    await Deno.mkdir(`${dir}/plugins`, { recursive: true });
    await Deno.writeTextFile(`${dir}/plugins/out_marked.rb`, PLUGIN);
    const variable = `password "#{ENV['NAMED_BY_THE_CONFIG']}"`;
    const included = marked("inc", `  opaque ${secretOf("include")}\n  ${variable}`);
    await Deno.writeTextFile(`${dir}/more.conf`, included);
    const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const [monitor, port] = [freePort(), freePort()];
    const inline = marked("inline", `  opaque ${secretOf("inline")}`).replaceAll("\n", "\\n");
    const path = `${dir}/fluent.conf`;
    const good = config({ dir, monitor, port });
    const write = (text: string) => Deno.writeTextFile(path, text);
    const spec = (name: string, config: string, args: readonly string[] = []): ServerSpec => ({
      name,
      program: "gserver",
      args: [
        ...["--fluentd-manager", "spawn", "--fluentd-config", config, "--log-level", "debug"],
        ...[
          "--fluentd-command",
          `'${fluentdCommand()!.join("' '")}' -p '${dir}/plugins' ${args[0]}`,
        ],
        ...args.slice(1),
      ],
      env: {
        NAMED_BY_THE_CONFIG: secretOf("variable"),
        SOME_TOKEN: secretOf("environment"),
      },
    });
    const toldBy = (name: string) => world.server(name).says(/told which of their parameters/);
    const fluentd = async (server: string, args: readonly string[]) => {
      // The default of 30 s is too short for three deaths on a busy machine.
      const stdin = args[0] === "start" ? '{"wait": "150s"}' : "{}";
      const done = await world.gclient(["fluentd", args[0]!, server, ...args.slice(1)], { stdin });
      seen.push([`gclient fluentd ${args.join(" ")}`, `${done.stdout}\n${done.stderr}`]);
      return done;
    };
    const stop = (name: string) =>
      fluentd(name, ["stop", "--set", "forceAfter=true", "-o", "json"]);
    // Whatever happens, no Fluentd of ours may stay behind.
    await using _cleanup = {
      async [Symbol.asyncDispose]() {
        for (const name of ["edge-1", "edge-2"]) await stop(name).catch(() => {});
      },
    };

    await t.step("a config that is no more: the log of what it began still has it", async () => {
      const earlier = marked("old", `  opaque ${secretOf("earlier")}`);
      await write(earlier + config({ dir, monitor, port: taken.addr.port }));
      await world.startServer(spec("edge-1", path, [
        `-i '${inline}'`,
        ...["--fluentd-monitor", `127.0.0.1:${monitor}`],
      ]));
      await toldBy("edge-1");
      const { stdout, code } = await fluentd("edge-1", ["start", "-o", "json", "-v"]);
      assert.equal(code, 3, stdout);
      assert.equal(JSON.parse(stdout).failure.reason, "CRASH_LOOP");
      taken.close();
    });
    await t.step("a config that Ruby cannot read", async () => {
      const raise = `  opaque ${secretOf("exception")}\n  plain "#{raise 'no ${
        secretOf("exception")
      }'}"`;
      await write(good + marked("broken", raise));
      const args = ["restart", "--envelope", "-v"];
      const { stdout, stderr } = await fluentd("edge-1", args);
      assert.match(stdout + stderr, /CONFIG_INVALID[^]*no xxxxxx/);
    });
    await t.step("outputs that fail, in each format", async () => {
      await write(good);
      await stop("edge-1");
      const started = await fluentd("edge-1", ["start", "-o", "json"]);
      assert.match(started.stdout, /"status":"SUCCESS"/, started.stderr);
      await until("the output to be told as failing", async () => {
        const { stdout } = await fluentd("edge-1", ["status", "-o", "json"]);
        return /OUTPUT_FAILING.*xxxxxx/.test(stdout);
      });
      for (const format of ["json", "yaml", "xml", "table"]) {
        const { code, stdout } = await fluentd("edge-1", [
          ...["status", "-o", format, "-v", "--set", "view=FULL"],
        ]);
        assert.equal(code, 0, stdout);
        assert.match(stdout, /xxxxxx/, format);
      }
      await fluentd("edge-1", ["status", "--envelope", "--set", "view=FULL"]);
    });
    await t.step("a config in YAML", async () => {
      const yaml = `${dir}/fluent.yaml`;
      const text = `
config:
  - source: { $type: tcp, tag: t, port: ${port}, bind: 127.0.0.1, parse: { $type: none } }
  - match: { $tag: "**", $type: marked, opaque: ${secretOf("yaml")} }
`;
      await Deno.writeTextFile(yaml, text);
      await world.startServer(spec("edge-2", yaml, [""]));
      await toldBy("edge-2");
      // Its port is taken, and it has no <parse>: it says all that it has.
      const { stdout } = await fluentd("edge-2", [
        "start",
        "-o",
        "json",
        "--set",
        "skipValidate=true",
      ]);
      assert.match(stdout, /"status":"FAILED"/);
    });
    await stop("edge-1");
    await stop("edge-2");

    await t.step("each was there to be found", async () => {
      const printed = new Secrets();
      let logs = "";
      for await (const file of ["edge-1", "edge-2"].map((name) => findLog(world.dir, name))) {
        logs += await Deno.readTextFile(file);
      }
      for (const place of Object.keys(PLACES) as Place[]) printed.add(place, secretOf(place));
      printed.look("fluentd.log", logs);
      const found = new Set(printed.found.map((line) => line.split(" ")[0]));
      // Where only a dry run says it, it is kept nowhere.
      const missing = Object.keys(PLACES).filter((place) =>
        place !== "exception" && !found.has(place)
      );
      assert.deepEqual(missing, [], "naive: Fluentd itself tells each");
    });
    await t.step("and nothing of it is found anywhere", async () => {
      seen.push(["metrics", await world.metrics()]);
      seen.push(["audit", await Deno.readTextFile(`${world.dir}/hub/audit.jsonl`)]);
      for (const process of [world.hub, world.server("edge-1"), world.server("edge-2")]) {
        await process.stop();
        assert.ok(
          process.stderr.length < MAX_KEPT_CHARS,
          `${process.name} wrote more than is kept`,
        );
        seen.push([`output of ${process.name}`, `${process.lines.join("\n")}\n${process.stderr}`]);
      }
      for (const [where, text] of seen) secrets.look(where, text);
      // What Fluentd itself keeps is not ours: its configs, its buffers, and what it prints.
      await Deno.remove(dir, { recursive: true });
      for (const name of ["edge-1", "edge-2"]) await Deno.remove(findLog(world.dir, name));
      await secrets.lookBelow(world.dir);
      assert.equal(secrets.count, Object.keys(PLACES).length);
      assert.deepEqual([...new Set(secrets.found)], []);
    });
  },
});

/** What gserver has Fluentd write its own words into. */
function findLog(dir: string, name: string): string {
  return `${dir}/${name}/fluentd/fluentd.log`;
}
