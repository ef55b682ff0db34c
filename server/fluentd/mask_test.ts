import assert from "node:assert/strict";
import { Mask } from "./mask.ts";

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

Deno.test("G8: a secret that a long line was cut in is masked too", () => {
  const mask = new Mask();
  mask.know(["sunflower seeds", "sun-dried"]);
  const line = `${"-".repeat(300)} said sunflower s`;
  assert.equal(mask.text(line), `${"-".repeat(300)} said xxxxxx`);
  assert.equal(mask.text(`${line}\nnext`), `${"-".repeat(300)} said xxxxxx\nnext`);
  // Three letters say nothing, and a short line has not been cut.
  assert.equal(mask.text(`${"-".repeat(300)} sun`), `${"-".repeat(300)} sun`);
  assert.equal(mask.text("they like sunflower"), "they like sunflower");
});

Deno.test("G8: a secret that the config no longer has is still one, because logs have it", () => {
  const mask = new Mask();
  mask.know(["sunflower"]);
  mask.know(["rosemary"]);
  assert.equal(mask.text("sunflower and rosemary"), "xxxxxx and xxxxxx");
});

Deno.test("G8: each line of a secret is masked by itself", () => {
  const mask = new Mask();
  mask.know([
    "-----BEGIN PRIVATE KEY-----\nMIIEvQ+1\nAoIBAQ/2\n-----END PRIVATE KEY-----",
    "sunflower\\nseeds.",
  ]);
  assert.equal(mask.text("at AoIBAQ/2 of seeds."), "at xxxxxx of xxxxxx");
  assert.equal(mask.text("-----END PRIVATE KEY-----"), "-----END PRIVATE KEY-----");
});

Deno.test("G8: the number of remembered secrets is bounded, the oldest go first", () => {
  const mask = new Mask();
  for (let i = 0; i < 1100; i += 100) {
    mask.know(Array.from({ length: 100 }, (_, n) => `secret-number-${i + n}.`));
  }
  assert.equal(mask.text("secret-number-0."), "secret-number-0.");
  assert.equal(mask.text("secret-number-1099."), "xxxxxx");
});
