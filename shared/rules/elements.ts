/**
 * What an auth file and a policy file have in common: how patterns, methods and effects are written.
 *
 * @module
 */
import { type Glob, glob, type GlobOptions } from "./glob.ts";
import type { Rule } from "./rules.ts";
import type { YamlElement } from "./yaml_element.ts";

/** What `readVersion` reads. */
const VERSION = 1;

/** `version: 1`, with which each file begins. */
export function readVersion(root: YamlElement, version: YamlElement | undefined): void {
  if (version === undefined) root.fault("must begin with version: 1");
  else if (version.integer() !== VERSION) version.fault("must be 1, the only one there is");
}

/** One pattern or several. */
export function readGlobs(element: YamlElement, options: GlobOptions = {}): Glob[] {
  return element.oneOrMore().map((one) => readGlob(one, one.text(), options));
}

/** @param pattern As it stands in the element, or in its key. */
export function readGlob(element: YamlElement, pattern: string, options: GlobOptions = {}): Glob {
  // An empty text has been complained of already.
  return element.attempt(() => glob(pattern || "x", options), glob("x"));
}

/** What is left out must not widen a rule unseen. */
export function requireFields(
  element: YamlElement,
  fields: Readonly<Record<string, YamlElement | undefined>>,
): void {
  for (const [name, field] of Object.entries(fields)) {
    if (field === undefined) element.fault(`must have ${name}`);
  }
}

/** How the patterns of a rule are read: what is denied is denied however it is written. */
export function readingOf({ effect }: Pick<Rule, "effect">): GlobOptions {
  return { ignoreCase: effect === "deny" };
}

/** `effect` and `methods` of a rule. */
export function readEffectAndMethods(
  { effect, methods }: {
    readonly effect: YamlElement | undefined;
    readonly methods: YamlElement | undefined;
  },
): Pick<Rule, "effect" | "methods"> {
  const choice = effect?.choice(["allow", "deny"], "deny") ?? "deny";
  return {
    effect: choice,
    methods: (methods?.oneOrMore() ?? []).map((method) => {
      const text = method.text();
      if (text !== "" && text !== "*" && text !== "**" && !text.startsWith("/")) {
        method.fault("must be * (every method), or like /package.Service/Method or /package.*/*");
      }
      return readGlob(method, text, readingOf({ effect: choice }));
    }),
  };
}
