import assert from "node:assert/strict";
import { whyUnusable } from "./why_unusable.ts";

Deno.test("whyUnusable() says in plain words what the system said by a number", async () => {
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(`${dir}/file`, "");
  const rows: [path: string, why: string][] = [
    [`${dir}/none`, "there is no such file"],
    [dir, "it is a directory"],
    [`${dir}/file/below`, "a part of its path is not a directory"],
    [`${dir}/${"a".repeat(300)}`, "File name too long"],
  ];
  for (const [path, why] of rows) {
    const error = await Deno.readTextFile(path).then(() => assert.fail(path), (error) => error);
    assert.equal(whyUnusable(error), why, path);
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("whyUnusable() leaves a message of our own as it is", () => {
  assert.equal(whyUnusable(new Error("it has 9 bytes")), "it has 9 bytes");
});
