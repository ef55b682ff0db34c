import assert from "node:assert/strict";
import { lstatOf, statOf } from "./file_info.ts";

Deno.test("statOf() and lstatOf() tell what is there, and of a link that leads nowhere", () => {
  const dir = Deno.makeTempDirSync({ prefix: "ghub-info-" });
  try {
    Deno.writeTextFileSync(`${dir}/file`, "text");
    Deno.symlinkSync(`${dir}/gone`, `${dir}/link`);
    assert.equal(statOf(`${dir}/file`)?.size, 4);
    assert.equal(lstatOf(`${dir}/file`)?.size, 4);
    assert.equal(statOf(`${dir}/link`), undefined);
    assert.equal(lstatOf(`${dir}/link`)?.isSymlink, true);
    assert.equal(lstatOf(`${dir}/gone`), undefined);
    const why = { message: `Cannot look at ${dir}/file/x: a part of its path is not a directory` };
    assert.throws(() => statOf(`${dir}/file/x`), why);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
