/**
 * What the programs load before they do anything: scripts and shells start them again and again.
 */
import assert from "node:assert/strict";
import { Process } from "./support/process.ts";

/** What is loaded whatever the command line says; `import()` comes later. */
const ENTRIES = ["client/program.ts", "hub/main.ts", "server/main.ts"];
/** It makes certificates, and costs a fifth of a second of a processor. */
const HEAVY = "@peculiar/x509";

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier?: string };
    readonly isDynamic?: boolean;
  }[];
}

/** The modules that an entry imports, directly or not, by the one that does. */
async function loadedBy(entry: string): Promise<Map<string, string>> {
  const { stdout, stderr } = await Process.run(["info", "--json", entry]);
  const { roots: [root], modules } = JSON.parse(stdout) as {
    roots: [string];
    modules: readonly Module[];
  };
  assert.ok(modules.length > 50, stderr);
  const dependencies = new Map(modules.map((one) => [one.specifier, one.dependencies ?? []]));
  const importers = new Map([[root, ""]]);
  for (const module of importers.keys()) {
    for (const { code, isDynamic = false } of dependencies.get(module) ?? []) {
      const target = code?.specifier;
      if (isDynamic || target === undefined || importers.has(target)) continue;
      importers.set(target, module);
    }
  }
  return importers;
}

for (const entry of ENTRIES) {
  Deno.test(`${entry} loads nothing that makes certificates`, async () => {
    const heavy = [...await loadedBy(entry)].filter(([module]) => module.includes(HEAVY));
    assert.deepEqual(heavy, []);
  });
}

Deno.test("A3: a program says whom it trusts before it waits, since Deno may read that soon", () => {
  for (const entry of ["client/main.ts", "hub/main.ts", "server/main.ts"]) {
    const [, main = ""] = Deno.readTextFileSync(entry).split("\nif (import.meta.main) {");
    const [before = "", after] = main.split("trustDefaultAuthorities();");
    assert.ok(after !== undefined && !before.includes("await"), entry);
  }
});

Deno.test("gclient loads TLS and proxies only for a call that needs them", async () => {
  const loaded = [...await loadedBy("client/program.ts")];
  const early = loaded.filter(([module]) => /^node:tls$|\/net\/proxy(_dial)?\.ts$/.test(module));
  assert.deepEqual(early, []);
});

Deno.test("gclient loads what logs in only for a login and for its renewal", async () => {
  const loaded = [...await loadedBy("client/program.ts")];
  const light = /\/login\/(login_folder|login_error|offer)\.ts$/;
  const early = loaded.filter(([module]) => /oauth4webapi|(client|shared)\/login\//.test(module));
  assert.deepEqual(early.filter(([module]) => !light.test(module)), []);
});

Deno.test("a hub loads what speaks to etcd, and what makes metrics, only for the flags that ask for it", async () => {
  const loaded = [...await loadedBy("hub/main.ts")];
  const early = loaded.filter(([module]) => /\/(etcd_\w+|metrics)\.ts$/.test(module));
  assert.deepEqual(early, []);
});
