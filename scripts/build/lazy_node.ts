/**
 * Lets a bundle load Node's modules when they are needed, not before its first statement.
 *
 * The bundler wraps each module that only an `import()` reaches into a function, which runs when it is
 * asked for; but its imports of `node:` stay at the top, where all of them are loaded at each start:
 * `node:tls`, `node:crypto` and `node:child_process` for a call in plain text. So
 *
 *     import { connect, BlockList } from "node:net";    var connect = (...args) => __node("node:net").connect(...args);
 *     var init_dial = __esm({                           var BlockList;
 *       "client/dial.ts"() {                        →   var init_dial = __esm({
 *         …                                               "client/dial.ts"() {
 *                                                           BlockList = __node("node:net").BlockList;
 *
 * A module that is imported as a whole (`import fs from`) is loaded at its first use: commander names
 * some that it needs for nothing that we do. What is not of this form stays unchanged.
 *
 * @module
 */

/** How the bundler begins each module: a comment that names its file. */
const MODULE = /^\/\/ \S+\.[cm]?[jt]s$/m;
const WRAPPER = /^var \w+ = __esm\(\{\n {2}"[^"\n]+"\(\) \{\n/m;
const ASYNC_WRAPPER = /^var \w+ = __esm\(\{\n {2}async "/m;
const NODE_IMPORT = /^import (\{[^}\n]+\}|\w+) from "(node:[\w/]+)";\n/gm;

/** What Deno's bundler writes where a package calls `require()`: it loads all of Node's modules. */
const REQUIRE =
  /^import \{ createRequire as (\w+) \} from "node:module";\nvar __require = \1\(import\.meta\.url\);\n/m;

/**
 * Imported as it stands: commander needs it at each start, and alone it takes a fifth of what
 * `getBuiltinModule` loads at its first call.
 */
const ALWAYS = "node:events";

/**
 * Node's modules, by functions of which none loads anything before it is called. Packages look at their
 * start whether `fs` can read files: its functions are there, and load it when they are called.
 */
const HELPERS = `var __node = (name) => globalThis.process.getBuiltinModule(name);
var __require = (name) => __lazyNode(name);
var __lazyNode = (name) => new Proxy({}, {
  get: (_, key) => /^(node:)?fs$/.test(name)
    ? (...args) => __node(name)[key](...args)
    : __node(name)[key],
  set: (_, key, value) => Reflect.set(__node(name), key, value),
  has: (_, key) => key in __node(name)
});
`;

/** The same bundle, which loads Node's modules later. */
export function withLazyNode(code: string): string {
  if (!REQUIRE.test(code)) return code;
  const [head = "", ...modules] = split(code.replace(REQUIRE, HELPERS));
  return head + modules.map(lazy).join("");
}

/** A function of a module that is loaded at its first call: Node's names of functions are small. */
function callLater({ name, local, from }: Record<"name" | "local" | "from", string>): string {
  return `var ${local} = (...args) => __node("${from}").${name}(...args);\n`;
}

/** What is before the first module, and each module. */
function split(code: string): string[] {
  return code.split(new RegExp(`(?=${MODULE.source})`, "m"));
}

function lazy(module: string): string {
  if (!WRAPPER.test(module) || ASYNC_WRAPPER.test(module)) return module;
  const names: string[] = [];
  const loads: string[] = [];
  const rest = module.replace(NODE_IMPORT, (line, what: string, from: string) => {
    if (from === ALWAYS) return line;
    if (!what.startsWith("{")) return `var ${what} = __lazyNode("${from}");\n`;
    const functions: string[] = [];
    for (const pair of what.slice(1, -1).split(",")) {
      const [name = "", local = name] = pair.trim().split(" as ");
      if (/^[a-z]/.test(name)) functions.push(callLater({ name, local, from }));
      else {
        names.push(local);
        loads.push(
          `    ${local} = ${name === "Buffer" ? "globalThis" : `__node("${from}")`}.${name};\n`,
        );
      }
    }
    return functions.join("");
  });
  if (names.length === 0) return rest;
  const declared = rest.replace(/^(?=var \w+ = __esm\()/m, `var ${names.join(", ")};\n`);
  return declared.replace(WRAPPER, (wrapper) => wrapper + loads.join(""));
}
