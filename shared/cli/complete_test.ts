import assert from "node:assert/strict";
import { complete } from "./complete.ts";
import type { CompletionContext } from "./program.ts";
import type { Program } from "./command.ts";

const server = {
  flag: "--server-addr",
  short: "-s",
  value: "HOST:PORT",
  help: "Where to",
} as const;

/** Names of servers, as a hub at `-s` would know them. */
function names({ options }: CompletionContext): string[] {
  if (options["server"] === "broken:1") throw new Error("cannot connect");
  return options["server"] === "other:1"
    ? ["other-1"]
    : ["edge-1", "edge-2", "core-1", "bad\tname"];
}

const PROGRAM: Program = {
  name: "gthing",
  envPrefix: "GTHING",
  version: "1",
  summary: "Does things",
  commands: [
    {
      name: "fluentd",
      summary: "Fluentd",
      commands: [{
        name: "start",
        summary: "Starts it",
        args: [{ name: "server", summary: "which", optional: true, complete: names }],
        options: {
          server,
          output: {
            flag: "--output",
            short: "-o",
            value: "FORMAT",
            choices: ["json", "yaml"],
            help: "Form",
          },
          file: { flag: "--file", short: "-f", value: "FILE", help: "Input", complete: "file" },
          secret: { flag: "--secret", help: "Hidden", hidden: true },
          quiet: { flag: "--quiet", short: "-q", help: "Less" },
        },
        run: () => 0,
      }, { name: "ghost", summary: "Hidden", hidden: true, run: () => 0 }],
    },
    {
      name: "hub",
      summary: "The hub",
      commands: [{
        name: "watch",
        summary: "Watches",
        args: [{ name: "servers", summary: "which", many: true, complete: names }],
        run: () => 0,
      }],
    },
  ],
};

Deno.test("complete() answers what may stand at the cursor", async (t) => {
  const flags = ["--output", "--file", "--quiet", "--config", "--help"];
  const table: [words: string, answer: string[]][] = [
    ["|", ["fluentd", "hub"]],
    ["fl|", ["fluentd"]],
    ["fluentd |", ["start"]],
    ["fluentd start |", ["edge-1", "edge-2", "core-1"]],
    ["fluentd start ed|", ["edge-1", "edge-2"]],
    ["fluentd start edge-1 |", []],
    ["fluentd start -s other:1 |", ["other-1"]],
    ["fluentd start --server-addr=other:1 |", ["other-1"]],
    ["-s other:1 fluentd start |", ["other-1"]],
    ["fluentd start -s broken:1 |", []],
    ["fluentd start -o |", ["json", "yaml"]],
    ["fluentd start --output=y|", ["--output=yaml"]],
    ["fluentd start -f |", [":file"]],
    ["fluentd start -s x:1 -|", flags],
    ["fluentd start -s x:1 --q|", ["--quiet"]],
    ["fluentd start -- -|", []],
    ["fluentd start -o=|", []],
    ["fluentd start -sother:1 |", ["other-1"]],
    ["fluentd start -qs other:1 |", ["other-1"]],
    ["fluentd start --bogus -o |", ["json", "yaml"]],
    ["fluentd start --config |", [":file"]],
    ["fluentd start -- -s |", []],
    ["--help |", ["fluentd", "hub"]],
    ["hub watch edge-1 c|", ["core-1"]],
    ["nonsense |", ["fluentd", "hub"]],
  ];
  for (const [line, answer] of table) {
    await t.step(line, async () => {
      const words = line.replace("|", "").split(" ");
      const { signal } = new AbortController();
      const lines = await complete(PROGRAM, words, { env: {}, signal });
      assert.deepEqual(lines.map((text) => text.split("\t")[0]), answer);
    });
  }
});

Deno.test("complete() offers the options of the default command before any is named", async () => {
  const program: Program = {
    ...PROGRAM,
    defaultCommand: "fluentd",
    commands: [
      { ...PROGRAM.commands[0]!.commands![0]!, name: "fluentd" },
      PROGRAM.commands[1]!,
    ],
  };
  const ask = async (...words: string[]) => {
    const { signal } = new AbortController();
    const lines = await complete(program, words, { env: {}, signal });
    return lines.map((text) => text.split("\t")[0]);
  };
  assert.deepEqual(await ask("-o", ""), ["json", "yaml"]);
  assert.deepEqual(await ask("-q", "--o"), ["--output"]);
  assert.deepEqual(await ask("-q", ""), ["fluentd", "hub"]);
});

Deno.test("complete() sees the environment", async () => {
  const env = { GTHING_SERVER_ADDR: "other:1" };
  const { signal } = new AbortController();
  assert.deepEqual(await complete(PROGRAM, ["fluentd", "start", ""], { env, signal }), ["other-1"]);
});

Deno.test("complete() does not wait longer than its signal", async () => {
  const slow: Program = {
    ...PROGRAM,
    commands: [{
      name: "x",
      summary: "x",
      args: [{ name: "a", summary: "a", complete: () => new Promise(() => {}) }],
      run: () => 0,
    }],
  };
  const controller = new AbortController();
  const answer = complete(slow, ["x", ""], { env: {}, signal: controller.signal });
  controller.abort();
  assert.deepEqual(await answer, []);
});
