import assert from "node:assert/strict";
import type { Reloaded } from "./reload.ts";
import { askReload, MAX_ASKING, NotRunningError, serveReload } from "./reload_socket.ts";

const GOOD: Reloaded = {
  parts: [{ what: "auth file a.yaml", good: true, outcome: "unchanged" }],
  failed: 0,
};

async function folder() {
  const path = await Deno.makeTempDir({ prefix: "ghub-reload-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("F3: askReload() resolves with what became of each part", async () => {
  await using dir = await folder();
  using _ = serveReload(dir.path, () => Promise.resolve(GOOD));
  assert.deepEqual(await askReload(dir.path), GOOD);
  assert.equal(Deno.statSync(`${dir.path}/reload.sock`).mode! & 0o777, 0o600);
});

Deno.test("askReload() says that nothing answers, also at a socket that was left behind", async () => {
  await using dir = await folder();
  await assert.rejects(askReload(dir.path), NotRunningError);
  Deno.listen({ transport: "unix", path: `${dir.path}/reload.sock` }).close();
  await assert.rejects(askReload(dir.path), NotRunningError);
  using _ = serveReload(dir.path, () => Promise.resolve(GOOD));
  assert.deepEqual(await askReload(dir.path), GOOD);
});

Deno.test("askReload() does not guess if the service ends during the reload", async () => {
  await using dir = await folder();
  const started = Promise.withResolvers<void>();
  const serving = serveReload(dir.path, () => {
    started.resolve();
    return new Promise(() => {});
  });
  const asked = assert.rejects(askReload(dir.path), /Cannot learn how the reload went/);
  await started.promise;
  serving[Symbol.dispose]();
  await asked;
});

Deno.test("serveReload() closes a connection above its bound, and goes on", async () => {
  await using dir = await folder();
  using _ = serveReload(dir.path, () => Promise.resolve(GOOD));
  const path = `${dir.path}/reload.sock`;
  const silent = await Promise.all(
    Array.from({ length: MAX_ASKING }, () => Deno.connect({ transport: "unix", path })),
  );
  const one = await Deno.connect({ transport: "unix", path });
  assert.equal(await one.read(new Uint8Array(1)), null);
  for (const conn of [one, ...silent]) conn.close();
  while (true) {
    // Its places are free when it has seen that they are gone.
    const reloaded = await askReload(dir.path).catch(() => undefined);
    if (reloaded === undefined) continue;
    assert.deepEqual(reloaded, GOOD);
    break;
  }
});

Deno.test("serveReload() has no socket where there cannot be one, and does not fail", () => {
  using _ = serveReload(`/nowhere/${"x".repeat(200)}`, () => Promise.resolve(GOOD));
});
