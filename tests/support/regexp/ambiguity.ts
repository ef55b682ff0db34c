/**
 * Whether a regular expression can be made to try more than its text is long. V8 goes back where a
 * match fails, and takes every other way. There are more ways than characters if, and only if, one
 * word leads from a place back to it, from there to another place, and from that one back to it:
 *
 *     /\s*\s*$/        blanks stay in the first \s*, go over to the second one, and stay there
 *     /\n\s+at /       a line break is skipped, begins a match, and is one of its \s
 *     /(?:a+)+b/       from one a to the next there are two ways
 *
 * Where all of a match that got there is certain to succeed, nothing goes back.
 *
 * It is exact but for what it takes as more than it is: letters beyond ASCII are one, and what is
 * looked for ahead is true.
 *
 * @see Weber, Seidl: On the degree of ambiguity of finite automata (1991), criterion IDA
 * @module
 */
import { ALL, type CharSet, type Node, parseRegExp } from "./parse.ts";

/** Copies that stand for a repetition with an end: it has no circle, so that more tell no more. */
const COPIES = 2;

/** Places in an expression, each of which takes one character of a set. Place 0 skips any before. */
interface Automaton {
  readonly sets: CharSet[];
  /** Place → places that may be next; one that is there twice can be reached in two ways. */
  readonly next: number[][];
  /** Places after which nothing can fail. */
  readonly sure: ReadonlySet<number>;
}

/** Why an expression may take more than linear time, or `undefined` if it cannot. */
export function ambiguityOf(pattern: Pick<RegExp, "source" | "flags">): string | undefined {
  const tree = parseRegExp(pattern);
  for (const looked of assertions(tree)) {
    const inner = ambiguityIn(toAutomaton(looked, { anchored: true }));
    if (inner !== undefined) return inner;
  }
  const anchored = pattern.flags.includes("y") || isAnchored(tree);
  return ambiguityIn(toAutomaton(tree, { anchored }));
}

function ambiguityIn({ sets, next, sure }: Automaton): string | undefined {
  const reach = next.map((_, from) => reachable(next, from));
  // Who goes round through a sure place has a match, and goes back no further than to it.
  const tail = next.map((to, place) => sure.has(place) ? [] : to.filter((one) => !sure.has(one)));
  const tailReach = tail.map((_, from) => reachable(tail, from));
  const loops = next.map((_, place) => place).filter((place) => reach[place]!.has(place));
  for (const place of loops) {
    if (sure.has(place)) continue;
    const again = next[place]!.filter((to, i, all) => all.indexOf(to) !== i);
    if (again.some((to) => reach[to]!.has(place))) return "a repetition within another one";
  }
  for (const from of loops) {
    for (const to of loops) {
      if (from === to || !tailReach[to]!.has(to) || !reach[from]!.has(to)) continue;
      if (isAmbiguous({ sets, next, tail }, { from, to, reach, tailReach })) {
        return from === 0
          ? "a repetition can begin at each character of itself"
          : "two repetitions can take the same characters";
      }
    }
  }
  return undefined;
}

/** Whether one word leads from → from, from → to and to → to. */
function isAmbiguous(
  { sets, next, tail }: Pick<Automaton, "sets" | "next"> & { readonly tail: number[][] },
  { from, to, reach, tailReach }: {
    readonly from: number;
    readonly to: number;
    readonly reach: readonly ReadonlySet<number>[];
    readonly tailReach: readonly ReadonlySet<number>[];
  },
): boolean {
  const size = sets.length;
  const seen = new Set<number>();
  const open: [number, number, number][] = [[from, from, to]];
  for (let triple; (triple = open.pop()) !== undefined;) {
    const [a, b, c] = triple;
    for (const a2 of next[a]!) {
      if (!reach[a2]!.has(from)) continue;
      for (const b2 of next[b]!) {
        if (b2 !== to && !reach[b2]!.has(to)) continue;
        const both = sets[a2]! & sets[b2]!;
        if (both === 0n) continue;
        for (const c2 of tail[c]!) {
          if (!tailReach[c2]!.has(to) || (both & sets[c2]!) === 0n) continue;
          if (a2 === from && b2 === to && c2 === to) return true;
          const key = (a2 * size + b2) * size + c2;
          if (seen.has(key)) continue;
          seen.add(key);
          open.push([a2, b2, c2]);
        }
      }
    }
  }
  return false;
}

function reachable(next: readonly (readonly number[])[], from: number): Set<number> {
  const found = new Set<number>();
  const open = [...next[from]!];
  for (let place; (place = open.pop()) !== undefined;) {
    if (found.has(place)) continue;
    found.add(place);
    open.push(...next[place]!);
  }
  return found;
}

/** What Glushkov's construction knows of a part of the tree. */
interface Part {
  /** It may take nothing; and so without an assertion that may fail. */
  readonly empty: boolean;
  readonly surelyEmpty: boolean;
  readonly first: readonly number[];
  readonly last: readonly number[];
  /** Those of `last` after which this part asks for nothing more. */
  readonly sure: readonly number[];
}

const NOTHING: Part = { empty: true, surelyEmpty: true, first: [], last: [], sure: [] };

function toAutomaton(tree: Node, { anchored }: { readonly anchored: boolean }): Automaton {
  const sets: CharSet[] = [ALL];
  const next: number[][] = [[]];
  const connect = (from: readonly number[], to: readonly number[]) => {
    for (const place of from) next[place]!.push(...to);
  };
  const after = (a: Part, b: Part): Part => {
    connect(a.last, b.first);
    return {
      empty: a.empty && b.empty,
      surelyEmpty: a.surelyEmpty && b.surelyEmpty,
      first: a.empty ? [...a.first, ...b.first] : a.first,
      last: b.empty ? [...a.last, ...b.last] : b.last,
      sure: b.surelyEmpty ? [...a.sure, ...b.sure] : b.sure,
    };
  };
  const part = (node: Node): Part => {
    switch (node.kind) {
      case "start":
        return NOTHING;
      case "assertion":
        return { ...NOTHING, surelyEmpty: false };
      case "char": {
        const place = sets.push(node.set) - 1;
        next.push([]);
        return { empty: false, surelyEmpty: false, first: [place], last: [place], sure: [place] };
      }
      case "sequence":
        return node.parts.filter((_, i) => !isCertain(node.parts, i)).map(part)
          .reduce(after, NOTHING);
      case "choice": {
        const parts = node.parts.map(part);
        return {
          empty: parts.some(({ empty }) => empty),
          surelyEmpty: parts.some(({ surelyEmpty }) => surelyEmpty),
          first: parts.flatMap(({ first }) => first),
          last: parts.flatMap(({ last }) => last),
          sure: parts.flatMap(({ sure }) => sure),
        };
      }
      case "repeat":
        return repeat(node);
    }
  };
  const optional = (one: Part): Part => ({ ...one, empty: true, surelyEmpty: true });
  const repeat = ({ body, min, max }: Node & { kind: "repeat" }): Part => {
    let all = NOTHING;
    if (max === Infinity) {
      for (let i = 1; i < Math.min(min, COPIES); i++) all = after(all, part(body));
      const circle = part(body);
      connect(circle.last, circle.first);
      return after(all, min === 0 ? optional(circle) : circle);
    }
    for (let i = 0; i < Math.min(min, COPIES); i++) all = after(all, part(body));
    return after(all, upTo(Math.min(max - min, COPIES), body));
  };
  // One within the other: side by side, two ways would lead through them that V8 does not try.
  const upTo = (copies: number, body: Node): Part =>
    copies === 0 ? NOTHING : optional(after(part(body), upTo(copies - 1, body)));
  const whole = part(tree);
  // A search begins at each character that no match has begun at.
  if (!anchored) connect([0], [0, ...whole.first]);
  return { sets, next, sure: new Set(whole.sure) };
}

/** Whether this is a `$` after all that there is, as in `[^]*$`. */
function isCertain(parts: readonly Node[], i: number): boolean {
  const [before, node] = [unwrapped(parts[i - 1]), parts[i]];
  return node?.kind === "assertion" && node.isEnd === true && before?.kind === "repeat" &&
    before.max === Infinity && before.body.kind === "char" && before.body.set === ALL;
}

/** What stands alone in a group. */
function unwrapped(node: Node | undefined): Node | undefined {
  return node?.kind === "sequence" && node.parts.length === 1 ? unwrapped(node.parts[0]) : node;
}

/** Whether a match can begin at the text's start alone. */
function isAnchored(node: Node): boolean {
  if (node.kind === "start") return true;
  if (node.kind === "choice") return node.parts.every(isAnchored);
  return node.kind === "sequence" && node.parts.length > 0 && isAnchored(node.parts[0]!);
}

function assertions(node: Node): Node[] {
  if (node.kind === "assertion") {
    return node.looks === undefined ? [] : [node.looks, ...assertions(node.looks)];
  }
  if (node.kind === "repeat") return assertions(node.body);
  return "parts" in node ? node.parts.flatMap(assertions) : [];
}
