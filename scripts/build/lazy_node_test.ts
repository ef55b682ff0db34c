import assert from "node:assert/strict";
import { withLazyNode } from "./lazy_node.ts";

const HEAD = `import { createRequire as __deno_internal_createRequire } from "node:module";
var __require = __deno_internal_createRequire(import.meta.url);
var __esm = (fn) => function __init() {
  return fn && Object.values(fn)[0](fn = 0);
};
`;

const LAZY = `// client/dial.ts
import fs from "node:fs";
import { isIP as isIP2, BlockList } from "node:net";
import { Buffer as Buffer3 } from "node:buffer";
function look(path) {
  return [fs.existsSync(path), isIP2("::1"), Buffer3.from("x").length];
}
var list;
var init_dial = __esm({
  "client/dial.ts"() {
    list = new BlockList();
  }
});
`;

const MAIN = `// client/main.ts
init_dial();
globalThis.__found = [...look("/"), list.rules.length, __require("node:path").sep];
`;

Deno.test("withLazyNode() leaves no import, and the program does the same", async () => {
  const code = withLazyNode(HEAD + LAZY + MAIN);
  assert.doesNotMatch(code, /^import /m);
  await import(`data:text/javascript,${encodeURIComponent(code)}`);
  assert.deepEqual((globalThis as { __found?: unknown }).__found, [true, 6, 1, 0, "/"]);
});

Deno.test("withLazyNode() leaves what commander needs, and a package that looks for fs loads nothing", async () => {
  const emitter = '// a.ts\nimport { EventEmitter } from "node:events";\n' +
    'var init_a = __esm({\n  "a.ts"() {\n    new EventEmitter();\n  }\n});\ninit_a();\n';
  const look = `// b.ts
var get = globalThis.process.getBuiltinModule;
globalThis.process.getBuiltinModule = (name) => (globalThis.__asked.push(name), get(name));
var fs = __require("fs");
globalThis.__asked = [];
globalThis.__canRead = typeof fs.readFileSync === "function";
globalThis.__before = globalThis.__asked.length;
globalThis.__isThere = fs.existsSync("/");
globalThis.process.getBuiltinModule = get;
`;
  const code = withLazyNode(HEAD + emitter + look);
  assert.match(code, /^import \{ EventEmitter \} from "node:events";$/m);
  await import(`data:text/javascript,${encodeURIComponent(code)}`);
  const { __canRead, __before, __isThere, __asked } = globalThis as Record<string, unknown>;
  assert.deepEqual([__canRead, __before, __isThere, __asked], [true, 0, true, ["fs"]]);
});

Deno.test("withLazyNode() leaves a module alone that runs at once, and a bundle that requires nothing", () => {
  const atOnce = '// a.ts\nimport { isIP } from "node:net";\nconsole.log(isIP(""));\n';
  assert.ok(withLazyNode(HEAD + LAZY + atOnce).includes(atOnce));
  assert.equal(withLazyNode(atOnce), atOnce);
});
