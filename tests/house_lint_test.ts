/**
 * House rules that need a syntax tree: as a plugin of `deno lint`, run over the product's code.
 *
 * @module
 */
import assert from "node:assert/strict";
import { REPOSITORY } from "./support/process.ts";

/** The text of a literal, or of a template without its values; `undefined` of anything else. */
function textOf(node: Deno.lint.Node | undefined): string | undefined {
  if (node?.type === "Literal") return typeof node.value === "string" ? node.value : undefined;
  if (node?.type !== "TemplateLiteral") return undefined;
  // A value can begin with anything.
  return node.quasis.map(({ cooked }, index) => cooked === "" && index === 0 ? '"' : cooked).join(
    "…",
  );
}

/** Functions of others that take a boolean where ours would take an object. */
const FOREIGN = new Set([
  "compose",
  "generateKey",
  "get",
  "getPeerCertificate",
  "helpCommand",
  "importKey",
  "includes",
  "setRaw",
  "tryLock",
]);

/** The name of what is called: `f(…)`, `a.f(…)` and `a?.f(…)`. */
function calleeOf({ callee }: Deno.lint.CallExpression): string {
  const whole = callee.type === "ChainExpression" ? callee.expression : callee;
  const named = whole.type === "MemberExpression" ? whole.property : whole;
  return named.type === "Identifier" ? named.name : "";
}

/** Numbers that each frame has: an object for them would cost more than the frame. */
const PER_FRAME = new Set([
  "encodeInto",
  "loadOf",
  "numberFrame",
  "readBytes",
  "sealFrame",
  "unmask",
  "writeHeader",
  "writeUint32",
]);

/** Types of a third parameter that says by its own names what it is. */
const NAMED_TYPES = /^TS(?:TypeReference|TypeLiteral|FunctionType|IndexedAccessType)$/;

/** Whether a third parameter is an options object, a thing with a type of its own, or a callback. */
function speaksForItself(parameter: Deno.lint.Parameter): boolean {
  const { left = parameter } = parameter as { readonly left?: Deno.lint.Node };
  if (left.type === "ObjectPattern") return true;
  if (left.type !== "Identifier") return false;
  return NAMED_TYPES.test(left.typeAnnotation?.typeAnnotation.type ?? "");
}

/** Errors that people read as they stand, by the place of their message. Others are reasons after a colon. */
const SHOWN: Readonly<Record<string, number>> = { UsageError: 0, RpcError: 1 };

/** An error says what happened in a sentence without its full stop: `Cannot open tunnel "a"`. */
const PLUGIN: Deno.lint.Plugin = {
  name: "house",
  rules: {
    "error-message": {
      create: (context) => ({
        NewExpression(node) {
          if (node.callee.type !== "Identifier" || !/Error$/.test(node.callee.name)) return;
          const at = SHOWN[node.callee.name];
          const text = textOf(node.arguments[at ?? 0]);
          if (text === undefined) return;
          if (at !== undefined && /^[a-z]/.test(text)) {
            context.report({ node, message: `Begins with a small letter: ${text}` });
          }
          if (/[^.]\.$/.test(text)) {
            context.report({ node, message: `Ends with a full stop: ${text}` });
          }
        },
      }),
    },
    "boolean-argument": {
      create: (context) => ({
        CallExpression(node) {
          if (FOREIGN.has(calleeOf(node))) return;
          for (const argument of node.arguments) {
            if (argument.type !== "Literal" || typeof argument.value !== "boolean") continue;
            context.report({
              node: argument,
              message: `Nobody sees here what is ${argument.value}: name it in an object, ` +
                "by a constant, or make two functions",
            });
          }
        },
      }),
    },
    "positional-parameters": {
      create: (context) => ({
        "ExportNamedDeclaration > FunctionDeclaration"(node: Deno.lint.FunctionDeclaration) {
          const [, , third, ...more] = node.params;
          if (third === undefined || PER_FRAME.has(node.id?.name ?? "")) return;
          if (more.length === 0 && speaksForItself(third)) return;
          context.report({
            node,
            message: `${node.id?.name}() takes two parameters and an object for the rest`,
          });
        },
      }),
    },
    console: {
      create: (context) => ({
        MemberExpression(node) {
          if (node.object.type !== "Identifier" || node.object.name !== "console") return;
          context.report({
            node,
            message: "Writes to the console: a program has a log and its Io",
          });
        },
      }),
    },
  },
};

async function* productFiles(dir: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(`${REPOSITORY}${dir}`)) {
    const path = `${dir}/${name}`;
    if (isDirectory && !["testing", "gen", "testdata"].includes(name)) yield* productFiles(path);
    else if (/(?<!_test|_fixture)\.ts$/.test(name)) yield path;
  }
}

function faultsOf(path: string, text: string): string[] {
  return Deno.lint.runPlugin(PLUGIN, path, text).map(({ id, message, range: [at] }) =>
    `${path}:${text.slice(0, at).split("\n").length} ${id}: ${message}`
  );
}

Deno.test("product code keeps the rules of the plugin", async () => {
  const faults: string[] = [];
  let count = 0;
  for (const dir of ["hub", "server", "client", "shared"]) {
    for await (const path of productFiles(dir)) {
      count++;
      faults.push(...faultsOf(path, await Deno.readTextFile(`${REPOSITORY}${path}`)));
    }
  }
  assert.ok(count > 300, `found ${count} files`);
  assert.deepEqual(faults, []);
});

Deno.test("the plugin notices what it is for", () => {
  const planted = [
    ['throw new RpcError(Status.INTERNAL, "cannot open")', "small letter"],
    ["throw new UsageError(`cannot open ${x}`)", "small letter"],
    ['throw new TypeError("Cannot open it.")', "full stop"],
    ["throw new Error(`Cannot open ${x}.`)", "full stop"],
    ['console.log("x")', "console"],
    ["connection.data(stream, bytes, true)", "what is true"],
    ["f(false)", "what is false"],
    ["export function f(a: A, b: B, c: C, { d }: { d: D }) {}", "two parameters"],
    ["export async function f(a: A, b: B, c = 3) {}", "two parameters"],
    ["export function f(a: A, b: B, c: string) {}", "two parameters"],
    ["export function f(a: A, b: B, ...c: C[]) {}", "two parameters"],
  ] as const;
  for (const [text, says] of planted) {
    assert.match(faultsOf("a.ts", text).join("\n"), new RegExp(says), text);
  }
  for (
    const text of [
      'new UsageError("Cannot open")',
      'new Error("it is a folder")',
      "new UsageError(`${x} is missing`)",
      "new Error(why)",
      "f({ deep: true })",
      "f(LAST)",
      "socket.setRaw(true)",
      "export function f(a: A, b: B, { c, d }: Options = {}) {}",
      "export function f(a: A, b: B, then: (c: C) => void) {}",
      "function f(a: A, b: B, c: number, d: D) {}",
    ]
  ) {
    assert.deepEqual(faultsOf("a.ts", text), [], text);
  }
});
