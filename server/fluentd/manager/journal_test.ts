import assert from "node:assert/strict";
import { SystemdManager } from "./systemd.ts";

/** With a `journalctl` that prints its arguments. */
const manager = new SystemdManager({
  unit: "x.service",
  systemctl: ["printf", "Id=x.service\n"],
  busctl: ["false"],
  journalctl: ["echo", "said"],
});
const { signal } = new AbortController();

Deno.test("a journal is read for whoever reads it, also after the call that asked for it", async () => {
  const first = new AbortController();
  const log = await manager.log(first);
  first.abort();
  const { lines } = await log.read(undefined, { signal });
  assert.match(lines.join("\n"), /^said .*--unit=x\.service/);
});

Deno.test("last words are those of the unit's own processes since a moment", async () => {
  const [line = ""] = await manager.lastWords(5500, { signal });
  assert.match(line, /_SYSTEMD_UNIT=x\.service .*--since=@5$/);
});
