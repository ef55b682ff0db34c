import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type ConfigFacts,
  ConfigReader,
  MAX_CONFIG_BYTES,
  MAX_CONFIG_FILES,
  readConfig,
} from "./reader.ts";
import { tempDir } from "../testing/kit.ts";

/** Reads a config whose main file is `fluent.conf`, in a folder that is the working directory too. */
async function read(files: Record<string, string>): Promise<ConfigFacts | undefined> {
  await using dir = await tempDir();
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(join(dir.path, name, ".."), { recursive: true });
    await Deno.writeTextFile(join(dir.path, name), text);
  }
  const facts = await readConfig("fluent.conf", { cwd: dir.path });
  return facts && JSON.parse(JSON.stringify(facts).replaceAll(dir.path, "/DIR"));
}

const source = (text: string) => `<source>\n${text}\n</source>\n`;
const match = (text: string) => `<match>\n${text}\n</match>\n`;
const system = (text: string) => `<system>\n${text}\n</system>\n`;

type Told = { readonly [K in keyof ConfigFacts]?: ConfigFacts[K] | undefined };

const FACTS: Record<string, [text: string, facts: Told]> = {
  "nothing at all": ["", {
    workers: 1,
    sources: 0,
    listening: [],
    outputs: [],
    printsRecords: false,
  }],
  "the last number of workers": [system("workers 2") + system("workers 3"), { workers: 3 }],
  "workers that only Ruby knows": [system('workers "#{1 + 1}"'), { workers: undefined }],
  "where the log is": [system("<log>\npath own.log\n</log>"), { logPath: "/DIR/own.log" }],
  "inputs with their own ports": [source("@type tcp\nport 1") + source("@type forward"), {
    sources: 2,
    listening: [{ proto: "tcp", at: "1", type: "tcp" }, {
      proto: "tcp",
      at: "24224",
      type: "forward",
    }],
  }],
  "syslog, which has both protocols": [
    source("@type syslog") + source("@type syslog\n<transport tcp>\n</transport>") +
    source("@type syslog\nprotocol_type tcp\nport 3"),
    {
      listening: [
        { proto: "udp", at: "5140", type: "syslog" },
        { proto: "tcp", at: "5140", type: "syslog" },
        { proto: "tcp", at: "3", type: "syslog" },
      ],
    },
  ],
  "a socket with a path": [source("@type unix\npath /run/x.sock"), {
    listening: [{ proto: "unix", at: "/run/x.sock", type: "unix" }],
  }],
  "inputs that cannot be known": [
    source('@type tcp\nport "#{ENV["PORT"]}"') + source("@type tcp\nport 0") +
    source("@type tail\nport 7") + source("@type constructor"),
    { sources: 4, listening: [] },
  ],
  "buffers in memory": [match("@type forward\n@id a") + match("@type stdout"), {
    outputs: [{ type: "forward", buffer: "memory", id: "a" }, { type: "stdout", buffer: "memory" }],
    printsRecords: true,
  }],
  "a buffer in a folder": [match("@type http\n<buffer>\n@type file\npath b\n</buffer>"), {
    outputs: [{
      type: "http",
      buffer: "file",
      files: [
        "/DIR/b/buffer.*.log",
        "/DIR/b/worker*/buffer.*.log",
        "/DIR/b.*.log",
        "/DIR/b.*.buf",
      ],
    }],
  }],
  "a buffer by a pattern": [match("@type http\n<buffer>\n@type file\npath b.*.log\n</buffer>"), {
    outputs: [{ type: "http", buffer: "file", files: ["/DIR/b.*.log"] }],
  }],
  "a buffer below root_dir": [
    system("root_dir r") + match("@type http\n@id a\n<buffer>\n@type file\n</buffer>"),
    {
      outputs: [{
        type: "http",
        buffer: "file",
        id: "a",
        files: ["/DIR/r/worker*/a/buffer/buffer.*.log"],
      }],
    },
  ],
  "a buffer in a place that is not told": [
    match("@type http\n<buffer>\n@type file\n</buffer>"),
    { outputs: [{ type: "http", buffer: "file" }] },
  ],
  "outputs within another one": [
    match("@type copy\n<store>\n@type null\n</store>\n<store>\n@type stdout\n</store>"),
    { outputs: [{ type: "null", buffer: "memory" }, { type: "stdout", buffer: "memory" }] },
  ],
};

Deno.test("readConfig() tells", async (t) => {
  for (const [name, [text, facts]] of Object.entries(FACTS)) {
    await t.step(name, async () => {
      const found = await read({ "fluent.conf": text });
      assert.ok(found);
      const named = Object.keys(facts).map((key) => [key, found[key as keyof ConfigFacts]]);
      assert.deepEqual(Object.fromEntries(named), facts);
    });
  }
});

Deno.test("readConfig() follows @include, from the folder of the file that has it", async (t) => {
  await t.step("files and patterns, also within sections", async () => {
    const facts = await read({
      "fluent.conf": "@include a/*.conf\n<source>\n@include port.conf\n</source>\n",
      "port.conf": "@type tcp\nport 9\n",
      "a/1.conf": "@include more/2.conf\n",
      "a/more/2.conf": source("@type forward"),
      "a/3.txt": source("@type udp"),
    });
    assert.deepEqual(facts?.listening.map(({ at }) => at), ["24224", "9"]);
    assert.deepEqual(facts?.emptyIncludes, []);
  });
  await t.step("and names those that find nothing", async () => {
    const text = "@include none/*.conf\n@include none.conf\n@include http://h/x\n";
    assert.deepEqual((await read({ "fluent.conf": text }))?.emptyIncludes, [
      "none/*.conf",
      "none.conf",
    ]);
  });
  await t.step("the youngest of all files tells the age", async () => {
    await using dir = await tempDir();
    await Deno.writeTextFile(join(dir.path, "fluent.conf"), "@include b.conf\n");
    await Deno.writeTextFile(join(dir.path, "b.conf"), "");
    await Deno.utime(join(dir.path, "fluent.conf"), 1, 1000);
    await Deno.utime(join(dir.path, "b.conf"), 1, 2000);
    assert.equal((await readConfig("fluent.conf", { cwd: dir.path }))?.changedMs, 2_000_000);
  });
});

Deno.test("readConfig() reads YAML, by its name or because it is told", async (t) => {
  const yaml = "config:\n  - source: { $type: tcp, port: 1 }\n  - !include more/*.yaml\n";
  const more = "- source: { $type: udp, port: 2 }\n- match: { $tag: '**', $type: stdout }\n";
  for (const [name, options] of [["fluent.yaml", {}], ["fluent.conf", { yaml: true }]] as const) {
    await t.step(name, async () => {
      await using dir = await tempDir();
      await Deno.mkdir(join(dir.path, "more"));
      await Deno.writeTextFile(join(dir.path, name), yaml);
      await Deno.writeTextFile(join(dir.path, "more/a.yaml"), more);
      const facts = await readConfig(name, { cwd: dir.path, ...options });
      assert.deepEqual(facts?.listening.map(({ proto, at }) => `${proto} ${at}`), [
        "tcp 1",
        "udp 2",
      ]);
      assert.deepEqual([facts?.sources, facts?.outputs.length, facts?.printsRecords], [2, 1, true]);
    });
  }
  await t.step("what is none gives nothing", async () => {
    await using dir = await tempDir();
    await Deno.writeTextFile(join(dir.path, "fluent.yaml"), "config: [\n");
    assert.equal(await readConfig("fluent.yaml", { cwd: dir.path }), undefined);
  });
});

Deno.test("readConfig() reads the folder that Fluentd reads too", async (t) => {
  await using dir = await tempDir();
  const write = async (name: string, text: string) => {
    await Deno.mkdir(join(dir.path, name, ".."), { recursive: true });
    await Deno.writeTextFile(join(dir.path, name), text);
  };
  await write("conf.d/a.conf", source("@type tcp\nport 1"));
  await write("conf.d/deep/b.yaml", "config: [{ source: { $type: tcp, port: 2 } }]\n");
  // It is too late for a system's section.
  const late = "system: { workers: 9 }\nconfig: [{ source: { $type: tcp, port: 3 } }]\n";
  await write("conf.d/c.yml", late);
  await write("conf.d/d.conf.bak", source("@type tcp\nport 4"));
  await write("other/e.conf", source("@type tcp\nport 5"));
  const ports = async (text: string, includeDir?: string) => {
    await write("fluent.conf", text);
    const facts = await readConfig("fluent.conf", { cwd: dir.path, includeDir });
    assert.equal(facts?.workers, 1);
    return facts?.listening.map(({ at }) => at);
  };
  const usual = join(dir.path, "conf.d");
  const other = (name: string) => system(`config_include_dir "${name}"`);
  await t.step("recursively, each file by its own syntax", async () => {
    assert.deepEqual(await ports("", usual), ["1", "3", "2"]);
  });
  await t.step("each file once", async () => {
    assert.deepEqual(await ports("@include conf.d/*.conf\n", usual), ["1", "3", "2"]);
  });
  await t.step("another one, if the config names it", async () => {
    assert.deepEqual(await ports(other(join(dir.path, "other")), usual), ["5"]);
  });
  await t.step("none, if the config says so, if it is not there, or before 1.19", async () => {
    assert.deepEqual(await ports(other(""), usual), []);
    assert.deepEqual(await ports("", join(dir.path, "none")), []);
    assert.deepEqual(await ports(other(join(dir.path, "other"))), []);
  });
});

Deno.test("ConfigReader reads only what has changed", async () => {
  await using dir = await tempDir();
  const write = (name: string, text: string) => Deno.writeTextFile(join(dir.path, name), text);
  await write("fluent.conf", "@include *.inc\n");
  await write("a.inc", source("@type tcp\nport 1"));
  const reader = new ConfigReader();
  const read = () => reader.read("fluent.conf", { cwd: dir.path });
  const first = await read();
  assert.equal(await read(), first);
  // The same length, in the same second.
  await write("a.inc", source("@type tcp\nport 2"));
  const second = await read();
  assert.deepEqual(second?.listening.map(({ at }) => at), ["2"]);
  await write("b.inc", source("@type tcp\nport 3"));
  assert.deepEqual((await read())?.listening.map(({ at }) => at), ["2", "3"]);
  await Deno.remove(join(dir.path, "a.inc"));
  assert.deepEqual((await read())?.listening.map(({ at }) => at), ["3"]);
  await Deno.remove(join(dir.path, "fluent.conf"));
  assert.equal(await read(), undefined);
});

Deno.test("readConfig() gives nothing where it would have to guess", async (t) => {
  const files: Record<string, Record<string, string>> = {
    "a config that is not there": {},
    "a config of another name": { "fluent.yaml": "config: []\n" },
    "a folder": { "fluent.conf/x": "" },
    "one that includes itself": { "fluent.conf": "@include fluent.conf\n" },
    "more than MAX_CONFIG_BYTES": { "fluent.conf": "#\n".repeat(MAX_CONFIG_BYTES / 2 + 1) },
    "more than MAX_CONFIG_FILES": {
      "fluent.conf": "@include a/*\n",
      ...Object.fromEntries(Array.from({ length: MAX_CONFIG_FILES }, (_, i) => [`a/${i}`, ""])),
    },
  };
  for (const [name, these] of Object.entries(files)) {
    await t.step(name, async () => assert.equal(await read(these), undefined));
  }
  await t.step("a pipe, which may be there for somebody else", async () => {
    await using dir = await tempDir();
    const pipe = join(dir.path, "pipe.conf");
    assert.ok((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success);
    assert.equal(await readConfig(pipe), undefined);
  });
});
