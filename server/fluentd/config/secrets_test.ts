import assert from "node:assert/strict";
import { fluentdCommand } from "../../../tests/support/fluentd.ts";
import type { RpcError } from "../../../shared/grpc/rpc_error.ts";
import { parseFluentdConfig } from "./text.ts";
import { parsePluginSchema } from "../plugin_schema.ts";
import { MAX_VALUES, pluginsOf, secretsOf } from "./secrets.ts";
import { TestFluentd } from "../testing/kit.ts";

const OPAQUE = parsePluginSchema(JSON.stringify({
  X: {
    opaque: { type: "string", secret: true },
    plain: { type: "string" },
    things: { type: "hash", secret: true },
    inner: { section: true, deep: { section: true, hidden: { type: "string", secret: true } } },
  },
}));

/** What stands between « and » is a secret of such a config, and nothing else is. */
const CONFIGS: Record<string, string> = {
  "what the plugin declares, whatever its name": `
    <match **>
      @type x
      opaque «sunflower»
      plain sunflowers
    </match>`,
  "in sections within sections": `
    <match **>
      @type x
      <inner>
        opaque sunflower
        <deep>
          hidden «sunflower seeds»
        </deep>
      </inner>
    </match>`,
  "in a hash, as a whole and in each part": `
    <match **>
      @type x
      things «{"a":"«sunflower»","b":["«rosemary»"]}»
    </match>`,
  "of an output within another one, and of its buffer": `
    <match **>
      @type copy
      <store>
        @type x
        opaque «sunflower»
        <buffer>
          @type x
          opaque «rosemary»
        </buffer>
        <storage>
          @type x
          opaque «marigold»
        </storage>
      </store>
    </match>`,
  "of a plugin that is not known: by name and by form, and what looks generated": `
    <source>
      @type stranger
      password «sunflower»
      url https://someone:«rosemary»@host/x
      workspace «x8Kd72mQpL0sV3bN»
      headers {"x-api-key":"«marigold»","accept":"text/plain","authorization":"«Bearer «chrysanthemum»»"}
      message_key log
      path /var/log/app1/x2y3z4w5/server.log
      tag prod.ip-10-0-0-1.eu2
    </source>`,
  "what looks generated is none where its plugin says so": `
    <match **>
      @type x
      plain x8Kd72mQpL0sV3bN
    </match>`,
  "with escapes as it is written and as it is meant": `
    <source>
      @type stranger
      password "«sun\\"flower»"
    </source>`,
  "of the environment, by Ruby in the config": `
    <match **>
      @type x
      opaque "#{ENV['WHERE_IT_IS']}"
      password "#{ENV.fetch("AND_ANOTHER")}"
      plain "#{ENV['PUBLIC']}"
    </match>`,
  "not a word that each answer has in it": `
    <match **>
      @type x
      opaque fluentd
      password HEALTHY
      pass abc
    </match>`,
};

Deno.test("G8: secretsOf() finds the secrets of a config, and nothing else", async (t) => {
  const env = { WHERE_IT_IS: "delphinium", AND_ANOTHER: "hyacinth", PUBLIC: "tulips" };
  const schemaOf = ({ type }: { type: string }) => type === "x" ? OPAQUE : undefined;
  for (const [name, marked] of Object.entries(CONFIGS)) {
    await t.step(name, () => {
      const found = secretsOf(parseFluentdConfig(marked.replace(/[«»]/g, "")), {
        schemaOf,
        launch: { argv: ["fluentd"], env, cleanEnv: true },
      });
      const expected = [...marked.matchAll(/«((?:[^«»]|«[^«»]*»)*)»/g)].flatMap(([, text = ""]) =>
        text.includes("«")
          ? [text.replace(/[«»]/g, ""), ...[...text.matchAll(/«([^»]*)»/g)].map(([, a = ""]) => a)]
          : text.includes("\\")
          ? [text, text.replaceAll("\\", "")]
          : [text]
      );
      const byEnv = marked.includes("WHERE_IT_IS") ? ["delphinium", "hyacinth"] : [];
      assert.deepEqual([...found].sort(), [...expected, ...byEnv].sort());
    });
  }
});

Deno.test("G8: secretsOf() looks into the environment and the command line too", () => {
  const found = secretsOf(parseFluentdConfig(""), {
    launch: {
      argv: [
        "env",
        "API_TOKEN=sunflower",
        "fluentd",
        "-i",
        "<match>\\n password rosemary\\n</match>",
      ],
      env: { DB_PASSWORD: "marigold", LANG: "C.UTF-8", PROXY: "http://me:delphinium@host" },
      cleanEnv: true,
    },
  });
  assert.deepEqual([...found].sort(), ["delphinium", "marigold", "rosemary", "sunflower"]);
});

Deno.test("G8: secretsOf() keeps MAX_VALUES of a config", () => {
  const lines = Array.from(
    { length: MAX_VALUES + 10 },
    (_, i) => `<a>\n password secret-${i}\n</a>`,
  );
  assert.equal(secretsOf(parseFluentdConfig(lines.join("\n"))).size, MAX_VALUES);
});

Deno.test("G8: pluginsOf() names each plugin of a config once", () => {
  const root = parseFluentdConfig(`
<source>
  @type forward
</source>
<label @x>
  <match **>
    @type copy
    <store>
      @type http
      <format>
        @type json
      </format>
    </store>
    <store>
      @type http
    </store>
  </match>
</label>`);
  assert.deepEqual(pluginsOf(root).map(({ kind, type }) => `${kind} ${type}`), [
    "input forward",
    "output copy",
    "output http",
    "formatter json",
  ]);
});

Deno.test({
  name: "G8: a marked secret of the config is in no answer and no error",
  ignore: fluentdCommand() === undefined,
  fn: async () => {
    const marked = "M4rkedS3cret";
    // Ruby's error quotes it without a name; so does the output's own.
    const raising = `"#{raise 'cannot use ${marked} here'}"`;
    const config = (tag: string) =>
      `<source>\n  @type sample\n  tag ${tag}\n  sample {"said":"${marked}"}\n</source>
<match **>\n  @type stdout\n  <inject>\n    hostname_key x\n  </inject>\n  shared_key ${marked}\n</match>\n`;
    await using fluentd = await TestFluentd.open(config(raising), {});
    const answers: unknown[] = [];
    const keep = async (call: Promise<unknown>) =>
      answers.push(await call.catch((error: RpcError) => [error.message, error.details]));
    await keep(fluentd.service.start());
    assert.match(JSON.stringify(answers), /cannot use xxxxxx here/);
    await keep(fluentd.service.start({ skipValidate: true }));
    await fluentd.write(config("sample"));
    await keep(fluentd.service.start());
    await keep(fluentd.service.status({ view: "FULL" }));
    await keep(fluentd.service.stop());
    for await (const { name } of Deno.readDir(fluentd.stateDir)) {
      if (name === "operations.json") {
        answers.push(await Deno.readTextFile(`${fluentd.stateDir}/${name}`));
      }
    }
    assert.doesNotMatch(JSON.stringify(answers), new RegExp(marked));
  },
});
