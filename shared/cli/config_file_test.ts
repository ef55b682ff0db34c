import assert from "node:assert/strict";
import { parseConfigFile } from "./config_file.ts";
import type { Option } from "./option.ts";
import { UsageError } from "./usage_error.ts";

const KNOWN: Option[] = [
  { flag: "--hub-uri", value: "URI", help: "" },
  { flag: "--labels", value: "K=V", help: "" },
  { flag: "--expose", value: "NAME=ADDR", many: true, help: "" },
  { flag: "--insecure", help: "" },
  { flag: "--force", perRun: true, help: "" },
];

Deno.test("parseConfig() reads options as they would be typed", async (t) => {
  const table: [text: string, key: string, value: unknown][] = [
    ["hub-uri: wss://h:1/ws", "hub-uri", "wss://h:1/ws"],
    ["hub-uri: 8080", "hub-uri", "8080"],
    ["insecure: true", "insecure", true],
    ["labels: {env: prod, site: ams}", "labels", "env=prod,site=ams"],
    ["expose: [a=1, b=2]", "expose", ["a=1", "b=2"]],
    ["expose:\n  a: 1\n  b: 2\n", "expose", ["a=1", "b=2"]],
    ["expose: a=1", "expose", "a=1"],
  ];
  for (const [text, key, value] of table) {
    await t.step(text, () => {
      assert.deepEqual(
        parseConfigFile(text, { path: "c.yaml", known: KNOWN }).get(key)?.value,
        value,
      );
    });
  }
  await t.step(
    "nothing",
    () => assert.equal(parseConfigFile("# only this\n", { path: "c.yaml", known: KNOWN }).size, 0),
  );
});

Deno.test("parseConfig() names file and line of what it refuses", async (t) => {
  const table: [text: string, error: RegExp, hint?: RegExp][] = [
    ["\nhub-url: x", /^c\.yaml:2: unknown option "hub-url"$/, /Did you mean "hub-uri"\?/],
    ["hub-uri: [", /^c\.yaml:1: /],
    ["hub-uri: a\nhub-uri: b", /^c\.yaml:2 "hub-uri" is there twice/],
    ["hub-uri: a\n---\nhub-uri: b", /^c\.yaml:2: a second document begins here; one is allowed$/],
    ["force: true", /^c\.yaml:1: --force belongs on the command line, not into a file$/],
    ["- a", /must be a map/],
    ["hub-uri:", /c\.yaml:1 "hub-uri" has no value/],
    ["expose: [[a]]", /nested too deeply/],
  ];
  for (const [text, message, hint = /^$/] of table) {
    await t.step(JSON.stringify(text), () => {
      assert.throws(() => parseConfigFile(text, { path: "c.yaml", known: KNOWN }), (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, message);
        assert.match(error.hint ?? "", hint);
        return true;
      });
    });
  }
});
