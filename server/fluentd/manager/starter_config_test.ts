import assert from "node:assert/strict";
import { join } from "node:path";
import { configureLog, resetLog } from "../../../shared/cli/log.ts";
import { configOrStarter } from "./starter_config.ts";

Deno.test("configOrStarter() makes a config only where there is none", async (t) => {
  const stateDir = await Deno.makeTempDir();
  try {
    const usual = join(stateDir, "usual.conf");
    const none = {
      command: ["fluentd"],
      configPath: undefined,
      stateDir,
      usualPaths: [usual],
      fluentConf: undefined,
    };
    await t.step(
      "named by --fluentd-config",
      async () =>
        assert.equal(await configOrStarter({ ...none, configPath: "/a.conf" }), "/a.conf"),
    );
    await t.step(
      "named in the command: not named twice",
      async () =>
        assert.equal(
          await configOrStarter({ ...none, command: ["fluentd", "-c", "/b"] }),
          undefined,
        ),
    );
    await t.step(
      "named by FLUENT_CONF",
      async () =>
        assert.equal(await configOrStarter({ ...none, fluentConf: "/c.conf" }), undefined),
    );
    await t.step("nowhere: a starter, which a change survives", async () => {
      const starter = join(stateDir, "fluent.conf");
      const lines: string[] = [];
      await configureLog({ write: (line) => lines.push(line) });
      assert.equal(await configOrStarter(none), starter);
      assert.equal(await configOrStarter(none), starter);
      await resetLog();
      assert.match(lines[0]!, / INFO .*a starter was written to \S*fluent\.conf/);
      assert.match(lines[1]!, / INFO .*gets the config \S*fluent\.conf, as before/);
      assert.match(await Deno.readTextFile(starter), /bind 127\.0\.0\.1/);
      await Deno.writeTextFile(starter, "# mine\n");
      assert.equal(await configOrStarter(none), starter);
      assert.equal(await Deno.readTextFile(starter), "# mine\n");
    });
    await t.step("in a usual place", async () => {
      await Deno.writeTextFile(usual, "");
      assert.equal(await configOrStarter(none), usual);
    });
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
});
