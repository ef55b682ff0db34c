import assert from "node:assert/strict";
import { fluentdCommand } from "../../tests/support/fluentd.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Mask } from "./secrets.ts";
import { TestFluentd } from "./test_kit.ts";

const SECRET = 'Mark3d "S3cret"/é';

Deno.test("G8: a known secret is masked wherever it stands, in each way to write it", () => {
  const mask = new Mask();
  mask.know([SECRET]);
  const json = JSON.stringify({ text: SECRET });
  const texts = [SECRET, json, JSON.stringify({ json }), `GET /${encodeURIComponent(SECRET)}`];
  for (const text of texts) assert.doesNotMatch(mask.text(`said ${text} here`), /Mark3d/);
  const answer = { list: [`x ${SECRET}`], nested: { a: SECRET, n: 1 } };
  assert.deepEqual(mask.deep(answer), { list: ["x xxxxxx"], nested: { a: "xxxxxx", n: 1 } });
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
