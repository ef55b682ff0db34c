import assert from "node:assert/strict";
import { looseTokenWarning } from "./token.ts";

Deno.test({
  name: "looseTokenWarning() warns of a token that everybody can read",
  ignore: Deno.build.os === "windows",
  async fn(t) {
    const file = await Deno.makeTempFile();
    try {
      const table: [mode: number, warned: boolean][] = [
        [0o600, false],
        [0o400, false],
        // A group, as systemd and containers give files to a service.
        [0o640, false],
        [0o644, true],
        [0o602, true],
      ];
      for (const [mode, warned] of table) {
        await t.step(mode.toString(8), async () => {
          await Deno.chmod(file, mode);
          const warning = await looseTokenWarning({ file });
          assert.equal(warning?.endsWith(`chmod 600 ${file}`) ?? false, warned);
        });
      }
      await t.step("from the environment", async () => {
        assert.equal(await looseTokenWarning({ value: "t" }), undefined);
      });
      await t.step("no such file", async () => {
        assert.equal(await looseTokenWarning({ file: `${file}.none` }), undefined);
      });
    } finally {
      await Deno.remove(file);
    }
  },
});
