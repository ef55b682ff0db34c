import assert from "node:assert/strict";
import { fluentdVersions } from "../../../tests/support/fluentd.ts";
import { freePort } from "../../../tests/support/free_port.ts";
import { tempDir, TestFluentd } from "../testing/kit.ts";
import { type ConfigElement, parseFluentdConfig } from "./text.ts";
import { parseYamlConfig } from "./yaml.ts";

/** The tree as Fluentd's own syntax has it, without anything that is not compared. */
function shown({ name, arg, params, children }: ConfigElement): unknown {
  return [name, arg, Object.fromEntries([...params].toSorted()), children.map(shown)];
}

/** The same config in both syntaxes. */
const SAME: Record<string, [yaml: string, own: string]> = {
  "nothing": ["", ""],
  "the system": [
    "system:\n  workers: 2\n  log: { path: /a }",
    "<system>\nworkers 2\n<log>\npath /a\n</log>\n</system>",
  ],
  "inputs and outputs": [
    `
config:
  - source:
      $type: tcp
      $id: in
      $label: "@x"
      $log_level: debug
      port: 5170
      parse: { $type: none }
  - label:
      $name: "@x"
      config:
        - filter: { $tag: [a, "b.**"], $type: grep }
        - match:
            $tag: "**"
            $type: copy
            store:
              - { $type: stdout }
              - $type: forward
                buffer: { $arg: [tag, time], $type: file, path: /b }
`,
    `
<source>
  @type tcp
  @id in
  @label @x
  @log_level debug
  port 5170
  <parse>
    @type none
  </parse>
</source>
<label @x>
  <filter a,b.**>
    @type grep
  </filter>
  <match **>
    @type copy
    <store>
      @type stdout
    </store>
    <store>
      @type forward
      <buffer tag,time>
        @type file
        path /b
      </buffer>
    </store>
  </match>
</label>
`,
  ],
  "workers of their own": [
    "config:\n  - worker:\n      $arg: 0-1\n      config:\n        - source: { $type: forward }",
    "<worker 0-1>\n<source>\n@type forward\n</source>\n</worker>",
  ],
  "values as they are written": [
    `config: [{source: {$type: x, mode: 0644, on: yes, size: 1e3, empty: "", none: ~, text: !fluent/s "#{ENV['A']}"}}]`,
    `<source>\n@type x\nmode 0644\non yes\nsize 1e3\nempty\ntext #{ENV['A']}\n</source>`,
  ],
  "JSON in a value": [
    `config: [{source: {$type: x, headers: !fluent/json {"a": {"b": [1, "c"]}}, list: !fluent/json [1, x]}}]`,
    `<source>\n@type x\nheaders {"a":{"b":[1,"c"]}}\nlist [1,"x"]\n</source>`,
  ],
  "aliases, and what they add": [
    `
config:
  - source: &tcp { $type: tcp, port: 1 }
  - source: *tcp
  - source: { <<: *tcp, port: 2 }
`,
    "<source>\n@type tcp\nport 1\n</source>\n".repeat(2) + "<source>\n@type tcp\nport 2\n</source>",
  ],
  "other files": [
    "config:\n  - !include a/*.yaml\n  - source: { $type: x }",
    "@include a/*.yaml\n<source>\n@type x\n</source>",
  ],
  "all sections in other files": ["config: !include a.yaml", "@include a.yaml"],
  "a file that another one includes": ["- source: { $type: x }", "<source>\n@type x\n</source>"],
};

Deno.test("parseYamlConfig() gives the same tree as Fluentd's own syntax", async (t) => {
  for (const [name, [yaml, own]] of Object.entries(SAME)) {
    await t.step(name, () => {
      assert.deepEqual(shown(parseYamlConfig(yaml)), shown(parseFluentdConfig(own)));
    });
  }
});

Deno.test("parseYamlConfig() refuses what is no YAML, and what grows without end", () => {
  const bomb = ["a: &a0 [x]"];
  for (let i = 1; i < 30; i++) bomb.push(`a${i}: &a${i} [${`*a${i - 1},`.repeat(9)}]`);
  const sections = `${bomb.join("\n")}\nsystem: {x: !fluent/json {b: *a29}}`;
  for (const text of ["a: [", "a: @b", "\t- x", sections]) {
    assert.throws(() => parseYamlConfig(text), RangeError, text.slice(0, 20));
  }
  for (
    const text of [
      "x",
      "- 1",
      "config: 1",
      "config: [1, [2]]",
      "system: []",
      "config: [{source: x}]",
    ]
  ) {
    assert.doesNotThrow(() => parseYamlConfig(text));
  }
  let deep = "x";
  for (let i = 0; i < 200; i++) deep = `{a: ${deep}}`;
  assert.ok(parseYamlConfig(`system: ${deep}`));
});

/** Prints a config as Fluentd has read it: one element a line. */
const DUMP = `
require "fluent/config"; require "json"
show = ->(e) { [e.name, e.arg, e.to_h.sort.to_h.transform_values(&:to_s), e.elements.map(&show)] }
conf = Fluent::Config.build(config_path: ARGV[0], type: :guess)
puts JSON.generate(show.(conf))
`;

for (const { label, command } of fluentdVersions()) {
  Deno.test(`parseYamlConfig() reads what Fluentd reads${label}`, async () => {
    const dir = await Deno.makeTempDir({ prefix: "ghub-yaml-" });
    try {
      const [env = [], [fluentd = ""]] = [command.slice(0, -1), command.slice(-1)];
      const shebang = (await Deno.readTextFile(fluentd)).split("\n")[0]!.replace(/^#!\s*/, "");
      for (const [name, [yaml]] of Object.entries(SAME)) {
        // Fluentd reads no empty one and no list as the main file, carries Ruby out, turns `yes` into
        // `true`, and forgets the type of a section that an alias repeats.
        if (/nothing|other files|another one|as they are written|aliases/.test(name)) continue;
        const path = `${dir}/fluent.yaml`;
        await Deno.writeTextFile(path, yaml);
        const [program = "", ...args] = [...env, ...shebang.split(" "), "-e", DUMP, path];
        const { stdout, stderr } = await new Deno.Command(program, { args }).output();
        const text = new TextDecoder().decode(stdout);
        assert.notEqual(text, "", `${name}: ${new TextDecoder().decode(stderr)}`);
        assert.deepEqual(shown(parseYamlConfig(yaml)), JSON.parse(text), name);
      }
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}

for (const { label, command } of fluentdVersions()) {
  Deno.test(`a Fluentd with a config in YAML is judged like any other${label}`, async () => {
    await using dir = await tempDir();
    const [port, taken] = [freePort(), Deno.listen({ hostname: "127.0.0.1", port: 0 })];
    using _ = taken;
    const configPath = `${dir.path}/fluent.yaml`;
    const sources = (ports: readonly number[]) =>
      Deno.writeTextFile(
        configPath,
        `config:\n${
          ports.map((port) =>
            `  - source: { $type: tcp, tag: t, bind: 127.0.0.1, port: ${port}, parse: { $type: none } }\n`
          ).join("")
        }  - match: { $tag: "**", $type: "null" }\n`,
      );
    await using fluentd = await TestFluentd.open("", { command, configPath });
    await sources([port, taken.addr.port]);
    const failed = await fluentd.service.start({ wait: { seconds: 60 } });
    assert.equal(failed.failure?.reason, "CRASH_LOOP");
    // The config is witness: nothing else tells that this input is missing.
    await fluentd.service.stop({ forceAfter: true, wait: { seconds: 20 } });
    await sources([port]);
    const { status, after } = await fluentd.service.start();
    assert.equal(status, "SUCCESS", JSON.stringify(after));
    assert.deepEqual(after?.workers?.[0]?.runsBy?.includes("sockets"), true);
    assert.ok(after?.sources?.includes("config"));
    await sources([]);
    const { warnings = [] } = await fluentd.service.status();
    assert.ok(warnings.some(({ code }) => code === "NO_SOURCE"), JSON.stringify(warnings));
  });
}
