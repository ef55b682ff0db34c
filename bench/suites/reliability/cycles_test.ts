import assert from "node:assert/strict";
import { PASSING_CLASSES, TUNNEL_CLASSES } from "./cycles.ts";

/** Deno's own. */
const FOREIGN = new Set(["TcpConn"]);
const ROOT = new URL("../../../", import.meta.url);

Deno.test("the classes that a tunnel is looked for by are classes of the hub", async () => {
  const source = (await Promise.all(["hub/", "shared/"].map((dir) => textOf(new URL(dir, ROOT)))))
    .join("\n");
  const missing = [...TUNNEL_CLASSES, ...PASSING_CLASSES].filter((name) =>
    !FOREIGN.has(name) && !new RegExp(`\\bclass ${name}\\b`).test(source)
  );
  assert.deepEqual(missing, []);
});

/** All source files below a folder. */
async function textOf(dir: URL): Promise<string> {
  const parts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    if (isDirectory) parts.push(await textOf(new URL(`${name}/`, dir)));
    else if (/^(?!.*_test\.ts$).*\.ts$/.test(name)) {
      parts.push(await Deno.readTextFile(new URL(name, dir)));
    }
  }
  return parts.join("\n");
}
