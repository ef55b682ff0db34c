/**
 * The lines that a hub prints at its start, pasted as they are.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Process, source } from "./support/process.ts";

/** What stands behind a text in the log, up to the end of its line. */
function pasted(log: string, before: string): string[] {
  const [line = ""] = log.slice(log.indexOf(before) + before.length).split("\n");
  return line.trim().split(" ");
}

/** Whether this machine reaches itself by its own name. */
async function knowsItself(): Promise<boolean> {
  using listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  try {
    (await Deno.connect({ hostname: Deno.hostname(), port: listener.addr.port })).close();
    return true;
  } catch {
    console.warn("SKIPPED: this machine does not reach itself by its own name");
    return false;
  }
}

const ignore = !await knowsItself();

Deno.test(
  "the lines to paste work where the hub has an authority of its own",
  { ignore },
  async (t) => {
    const dir = await Deno.makeTempDir({ prefix: "ghub-lines-" });
    const ghub = (...args: string[]) =>
      Process.run([...source("hub/main.ts"), ...args], { cwd: dir });
    try {
      for (const args of [["ca"], ["make", "--ca", "ca.crt", "--hosts", Deno.hostname()]]) {
        const { code, stderr } = await ghub("cert", ...args);
        assert.equal(code, 0, stderr);
      }
      await using hub = Process.deno("ghub", [
        ...source("hub/main.ts"),
        ...["--tunnel-listen", "0.0.0.0:0", "--call-listen", "0.0.0.0:0", "--call-tls"],
        ...["--tls-cert", `${dir}/hub.crt`, "--state-dir", `${dir}/state`],
      ]);
      await hub.line(/^ghub ready /);
      await t.step("enroll a server", async () => {
        const [program, ...args] = pasted(hub.stderr, "gives it a token of its own: ");
        assert.equal(program, "ghub");
        const { code, stdout, stderr } = await ghub(
          ...args.map((word) => word === "NAME" ? "edge-1" : word),
        );
        assert.equal(code, 0, stderr);
        assert.match(stdout, /^\.\/gserver serve edge-1 .*--tls-ca-cert-file ca\.crt /m);
        const [line = ""] = /gserver serve .*/.exec(stdout) ?? [];
        await using server = Process.deno("gserver", [
          ...source("server/main.ts"),
          ...line.split(" ").slice(1),
          ...["--fluentd-manager", "none", "--state-dir", `${dir}/server`],
        ], { cwd: dir });
        await server.line(/^gserver ready server=edge-1 /);
      });
      await t.step("call from elsewhere", async () => {
        const copied = "To call from elsewhere, copy ";
        const [operator = "", , ca = ""] = pasted(hub.stderr, copied);
        const elsewhere = await Deno.makeTempDir({ dir });
        for (const file of [operator, ca]) {
          await Deno.copyFile(file, `${elsewhere}/${file.split("/").pop()}`);
        }
        const [program, ...args] = pasted(hub.stderr, "there and run: ");
        assert.equal(program, "gclient");
        const { code, stderr } = await Process.run([...source("client/main.ts"), ...args], {
          cwd: elsewhere,
        });
        assert.equal(code, 0, stderr);
      });
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
);
