import assert from "node:assert/strict";
import { SystemdManager } from "./systemd.ts";

Deno.test("a journal is read for whoever reads it, also after the call that asked for it", async () => {
  const manager = new SystemdManager({
    unit: "x.service",
    systemctl: ["true"],
    busctl: ["false"],
    journalctl: ["echo", "said"],
  });
  const first = new AbortController();
  const log = await manager.log(first);
  first.abort();
  const { lines } = await log.read(undefined, new AbortController());
  assert.match(lines.join("\n"), /^said .*--unit=x\.service/);
});
