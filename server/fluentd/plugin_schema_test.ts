import assert from "node:assert/strict";
import { parsePluginSchema } from "./plugin_schema.ts";

const text = (definition: object) => JSON.stringify({ "Fluent::Plugin::X": definition });
const string = { type: "string", required: false };
const secret = { ...string, secret: true };

Deno.test("G8: parsePluginSchema() finds what is secret, in sections within sections too", () => {
  const schema = parsePluginSchema(text({
    endpoint: string,
    passphrase: { ...secret, alias: "pass_phrase" },
    security: {
      section: true,
      alias: "sec",
      user: { section: true, type: string, hidden: secret, name: { ...secret, argument: true } },
    },
  }));
  assert.deepEqual([...schema!.params], [
    ["endpoint", false],
    ["passphrase", true],
    ["pass_phrase", true],
  ]);
  assert.equal(schema!.sections.get("sec"), schema!.sections.get("security"));
  const user = schema!.sections.get("sec")!.sections.get("user")!;
  assert.equal(user.params.get("hidden"), true);
  assert.equal(user.params.get("type"), false);
  assert.ok(user.secretArg);
});

Deno.test("G8: parsePluginSchema() joins what a plugin inherits with its own, and a secret stays one", () => {
  const schema = parsePluginSchema(JSON.stringify({
    plugin_helpers: ["server"],
    "Fluent::PluginHelper::Server": { transport: { section: true, passphrase: secret } },
    "Fluent::Plugin::X": {
      // Only another default.
      transport: { passphrase: { default: "" }, version: string },
    },
  }));
  const transport = schema!.sections.get("transport")!;
  assert.deepEqual([...transport.params], [["passphrase", true], ["version", false]]);
});

Deno.test("G8: parsePluginSchema() passes over what a plugin prints, and takes nothing else", () => {
  assert.ok(parsePluginSchema(`loading…\n${text({ a: secret })}\n`)?.params.get("a"));
  for (const other of ["", "usage: x", "[1]", "{", "null", '{"a":']) {
    assert.equal(parsePluginSchema(other), undefined, other);
  }
  // Deeper than any plugin.
  let deep: object = { a: secret };
  for (let i = 0; i < 100; i++) deep = { section: true, b: deep };
  assert.ok(parsePluginSchema(text(deep)));
});
