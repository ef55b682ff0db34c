/**
 * The regular expressions of the three programs: each takes a time that grows with its text, and not
 * with the square of it. No clock is asked, but the expression itself: support/regexp/ambiguity.ts.
 * Literals are found in the sources. What is put together from pieces is seen when it is made.
 */
import assert from "node:assert/strict";
import { ambiguityOf } from "./support/regexp/ambiguity.ts";

const REPOSITORY = new URL("..", import.meta.url).pathname;

/** What is said of expressions that are not made when their module is loaded. */
const LATER = "new RegExp";

/** Expressions that may take longer, or cannot be judged, and why nobody is hurt. */
const EXCEPTIONS: readonly [path: string, begins: string, why: string][] = [
  ["shared/codec/xml_tree.ts", "/<!--[^]*?-->", "the first mark that has no end is refused"],
  ["shared/codec/xml_tree.ts", "/\\sencoding", 'what stands before \\1 has no " of its own'],
  ["shared/cli/parse_duration.ts", "/(\\d+(?:", "a word of the user's own command line or file"],
  ["client/request/set_field.ts", "/\\[[^\\]]*\\]", "a word of the user's own command line"],
  ["server/commands/server_name.ts", "/^-+|-+$", "the name of this machine, 64 bytes at most"],
  ["server/fluentd/log/events.ts", "/^(parameter '", "a line of this machine's Fluentd"],
  ["server/fluentd/system/proc.ts", "/\\0+$", "a command line of this machine"],
  ["server/fluentd/dry_run.ts", "/\\b(\\d+\\.", "what this machine's Fluentd says of its version"],
  ["server/fluentd/config/text.ts", "/^<\\s*", "a line of this machine's configuration"],
  ["server/fluentd/config/text.ts", "/^(\\S+)\\s*", "a line of this machine's configuration"],
  ["server/fluentd/config/text.ts", "/\\s+#.*$", "a line of this machine's configuration"],
  ["server/fluentd/config/text.ts", "/\\s+#[^", "a line of this machine's configuration"],
  ["server/fluentd/manager/service_properties.ts", "/path=", "what this machine's systemctl says"],
  ["server/fluentd/manager/systemctl.ts", '/"((?:[^', "what this machine's systemctl says"],
  ["server/fluentd/log/events.ts", "/^(?:<internal", "a line of this machine's Fluentd"],
  ["server/fluentd/mask.ts", LATER, "words of this machine, escaped: nothing in it is repeated"],
];

Deno.test("B3: no regular expression takes more than linear time", async (t) => {
  const unused = new Set(EXCEPTIONS);
  let count = 0;
  for (const root of ["hub", "server", "client", "shared"]) {
    for (const path of programFiles(root)) {
      const { literals, made } = expressionsOf(path);
      if (made > 0) await import(`../${path}`);
      const seen = MADE.get(path) ?? [];
      const all: (RegExp | string)[] = [...literals, ...seen];
      if (seen.length < made) all.push(LATER);
      for (const pattern of all) {
        count++;
        const fault = pattern instanceof RegExp ? faultOf(pattern) : "it is made later";
        if (fault === undefined) continue;
        const exception = EXCEPTIONS.find(([file, begins]) =>
          file === path && `${pattern}`.startsWith(begins)
        );
        if (exception !== undefined) unused.delete(exception);
        else await t.step(`${path}: ${pattern}`, () => assert.fail(fault));
      }
    }
  }
  assert.ok(count > 200, `found ${count}`);
  assert.deepEqual([...unused], [], "what needs no exception has none");
});

Deno.test("B3: the check finds expressions that take more than linear time, and no others", async (t) => {
  const table: [pattern: RegExp, fault: RegExp | undefined][] = [
    // The two of the field trial: blanks around a header's value.
    [/^([!-9;-~]+):[ \t]*(.*?)[ \t]*$/, /same characters/],
    [/^([!-9;-~]+):[ \t]*([\t\x20-\x7e]*)$/, /same characters/],
    [/[ \t]+$/, /can begin at each/],
    [/\n\s+at [^]*$/, /can begin at each/],
    [/\s*\s*x/y, /same characters/],
    [/^a*b?a*$/, /same characters/],
    [/^(?:a+)+b/, /within another/],
    [/^(?:a*)*b/, /within another/],
    [/^(?:a|a)*b/, /same characters/],
    [/^(?:ab|a|b)*c/, /same characters/],
    [/^(?:a|[a-z])*!/i, /same characters/],
    [/a(?:[^]*b)?/g, /can begin at each/],
    [/^(?=a*a*b)/, /same characters/],
    [/^([!-9;-~]+):([^]*)$/, undefined],
    [/\n[ \t]+at [^]*$/, undefined],
    [/^[ \t]*[a-z]+[ \t]*$/, undefined],
    [/^(?:[a-z]+,)*[a-z]+$/, undefined],
    [/(?:%[0-9a-f]{2})+/gi, undefined],
    [/^[a-z]([a-z-]{0,61}[a-z])?$/, undefined],
    [/^"(?:[^"\\]|\\.)*"$/, undefined],
    [/[^\x20-\x7e]+/gu, undefined],
  ];
  for (const [pattern, fault] of table) {
    await t.step(`${pattern}`, () => {
      const found = ambiguityOf(pattern);
      if (fault === undefined) assert.equal(found, undefined);
      else assert.match(found ?? "none", fault);
    });
  }
});

function faultOf(literal: RegExp): string | undefined {
  try {
    return ambiguityOf(literal);
  } catch (error) {
    return (error as Error).message;
  }
}

/** A file's literals, as Deno's linter finds them, and how many more it puts together. */
function expressionsOf(path: string): { readonly literals: RegExp[]; readonly made: number } {
  const literals: RegExp[] = [];
  let made = 0;
  const create = (): Deno.lint.LintVisitor => ({
    Literal(node) {
      if (!("regex" in node) || !node.regex) return;
      const [, source = "", flags = ""] = /^\/([^]*)\/([a-z]*)$/.exec(node.raw) ?? [];
      literals.push(new RegExp(source, flags));
    },
    "NewExpression[callee.name='RegExp'], CallExpression[callee.name='RegExp']"() {
      made++;
    },
  });
  const plugin = { name: "literals", rules: { "all": { create } } };
  Deno.lint.runPlugin(plugin, path, Deno.readTextFileSync(REPOSITORY + path));
  return { literals, made };
}

/** What files of the programs have put together since this one was loaded. */
const MADE = new Map<string, RegExp[]>();

globalThis.RegExp = new Proxy(RegExp, {
  construct: (target, args) => keep(Reflect.construct(target, args), new Error().stack),
  apply: (target, _this, args) => keep(Reflect.apply(target, undefined, args), new Error().stack),
});

/** Keeps what a file of the programs has made. */
function keep(pattern: RegExp, stack = ""): RegExp {
  // The first line is the error's, the second one of the trap.
  const [, , maker = ""] = stack.split("\n");
  const at = maker.indexOf(REPOSITORY);
  const path = at === -1 ? "" : maker.slice(at + REPOSITORY.length).replace(/:\d+:\d+\)?$/, "");
  MADE.set(path, [...MADE.get(path) ?? [], pattern]);
  return pattern;
}

function* programFiles(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(REPOSITORY + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory && name !== "testing") yield* programFiles(path);
    else if (name.endsWith(".ts") && !/_(?:test|fixture)\.ts$/.test(name)) yield path;
  }
}
