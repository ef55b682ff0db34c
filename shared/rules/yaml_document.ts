/**
 * Parses a YAML document in small steps, because the yaml package parses all of it at once: half a
 * second for a file of three thousand tokens, in which a hub would serve nobody.
 *
 *     text ─▶ lexemes ─▶ tree of tokens ─▶ the document without what its long lists hold ─▶ nodes
 *             (steps)                      └─▶ what a long list holds, piece by piece (steps)
 *
 * Lexer and parser can be driven token by token. The composer, which makes nodes and finds most
 * mistakes, takes a whole document. So a list or mapping that is long is emptied before the document
 * is composed, and its members are composed as small documents of their own, each a list or mapping
 * like the one that they come from. Places are offsets in the text and stay right.
 *
 * @module
 */
import {
  Composer,
  type CST,
  type Document,
  isCollection,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import type { Steps } from "../async/steps.ts";

/** Lexemes between two steps: some 0.2 ms of work. */
const STEP_LEXEMES = 64;
/** A list or mapping with more members is composed in pieces of this many. */
const PIECE_MEMBERS = 32;

/** Lists and mappings in one another. */
const MAX_DEPTH = 64;
/** What the parser holds of them: a member may be a mapping without brackets in a list. */
const MAX_STACK = 2 * MAX_DEPTH;
/** Between two values, in addition to blanks and comments: a comma, an anchor, a tag and the like. */
const MAX_MARKS = 16;
const BLANKS: ReadonlySet<string> = new Set(["space", "newline", "comment"]);
/** A person who is told of this many mistakes needs no more of them. */
const MAX_PROBLEMS = 50;

const OPTIONS = {
  schema: "core",
  // Whoever reads looks for them in linear time; the library compares each key with each other one.
  uniqueKeys: false,
  merge: false,
  prettyErrors: false,
  // By these the long ones are known again.
  keepSourceTokens: true,
} as const;

/** Something that is wrong with the text. */
export interface YamlProblem {
  readonly offset: number;
  readonly message: string;
}

/** A document that was parsed. */
export interface YamlDocument {
  readonly root: Node | null;
  readonly problems: readonly YamlProblem[];
  readonly lines: LineCounter;
  /** The members of a list or mapping, wherever they were composed. */
  membersOf<C extends YAMLMap | YAMLSeq>(collection: C): C["items"];
}

type Collection = CST.BlockMap | CST.BlockSequence | CST.FlowCollection;
type Members = unknown[];

/** Parses a text; what is wrong with it is listed. */
export function* parseYaml(text: string): Steps<YamlDocument> {
  const lines = new LineCounter();
  const tokens = yield* tokensOf(text, lines);
  const problems: YamlProblem[] = [];
  const [first, second] = tokens.filter(({ type }) => type === "document");
  const long = new Map<unknown, Members>();
  const { collections, odd } = yield* lookThrough(first as CST.Document | undefined);
  if (odd !== undefined) {
    return {
      root: null,
      problems: [odd],
      lines,
      membersOf: ({ items }) => items,
    };
  }
  for (const collection of collections) {
    long.set(collection, yield* composePieces(collection, problems));
  }
  const shell = compose(tokens.filter((token) => token !== second), text.length);
  problems.push(...problemsOf(shell));
  if (second !== undefined) {
    const message = "a second document begins here; one is allowed";
    problems.push({ offset: second.offset, message });
  }
  return {
    root: shell.contents,
    problems,
    lines,
    membersOf: <C extends YAMLMap | YAMLSeq>(collection: C) =>
      [...long.get(collection.srcToken) ?? [], ...collection.items] as C["items"],
  };
}

/** Up to where a second document begins: one is allowed. */
function* tokensOf(text: string, lines: LineCounter): Steps<CST.Token[]> {
  const parser = new Parser(lines.addNewLine);
  const tokens: CST.Token[] = [];
  let documents = 0;
  const take = (token: CST.Token) => {
    tokens.push(token);
    if (token.type === "document") documents++;
  };
  let lexemes = 0;
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) take(token);
    if (documents > 1 || parser.stack.length > MAX_STACK) break;
    if (++lexemes % STEP_LEXEMES === 0) yield;
  }
  // A second document is as good as none, and what is too deep is told of where it begins.
  if (documents < 2) { for (const token of parser.end()) take(token); }
  return tokens;
}

/** Those that are to be composed in pieces, what is within before what is around it. */
function* lookThrough(
  document: CST.Document | undefined,
): Steps<{ readonly collections: Collection[]; readonly odd?: YamlProblem }> {
  const collections: Collection[] = [];
  let looked = 0;
  const left: { token: CST.Token | null | undefined; depth: number }[] = [];
  left.push({ token: document?.value, depth: 0 });
  for (let next; (next = left.pop()) !== undefined;) {
    const { token, depth } = next;
    if (++looked % STEP_LEXEMES === 0) yield;
    if (token === null || token === undefined) continue;
    const odd = oddity(token, depth);
    if (odd !== undefined) return { collections: [], odd };
    if (!("items" in token)) continue;
    if (token.items.length > PIECE_MEMBERS) collections.push(token);
    for (const { key, value } of token.items) {
      // Long keys stay whole: nobody reads a file that has one.
      if (value) left.push({ token: value, depth: depth + 1 });
      if (key) left.push({ token: key, depth: depth + 1 });
    }
  }
  return { collections: collections.reverse() };
}

/** What no file has that somebody meant, and what the composer would spend seconds on. */
function oddity(token: CST.Token, depth: number): YamlProblem | undefined {
  const { offset } = token;
  if (depth > MAX_DEPTH) return { offset, message: `is nested more than ${MAX_DEPTH} deep` };
  const lists = "items" in token ? token.items.flatMap(({ start, sep = [] }) => [start, sep]) : [];
  if ("end" in token && token.end !== undefined) lists.push(token.end);
  for (const list of lists) {
    if (list.length <= MAX_MARKS) continue;
    const marks = list.filter(({ type }) => !BLANKS.has(type));
    const { [MAX_MARKS]: last } = marks;
    if (last !== undefined) return { offset: last.offset, message: `Unexpected ${last.source}` };
  }
  return undefined;
}

/**
 * Composes what it holds, and takes it out: all of a flow collection, which ends with a bracket, and
 * of a block all but the last member, so that the document around it knows where it ends.
 */
function* composePieces(collection: Collection, problems: YamlProblem[]): Steps<Members> {
  const members: Members = [];
  const { items } = collection;
  const length = collection.type === "flow-collection" ? items.length : items.length - 1;
  for (let from = 0; from < length && problems.length < MAX_PROBLEMS; from += PIECE_MEMBERS) {
    problems.push(...problemsOfCut(collection, from));
    const value = pieceOf(collection, from, Math.min(from + PIECE_MEMBERS, length));
    const document: CST.Document = { type: "document", offset: value.offset, start: [], value };
    const piece = compose([document], value.offset);
    problems.push(...problemsOf(piece));
    if (isCollection(piece.contents)) members.push(...piece.contents.items);
    yield;
  }
  collection.items = pieceOf(collection, length, items.length).items;
  return members;
}

/** What the composer sees between two members, if they are not in two pieces. */
function problemsOfCut({ type, offset, items }: Collection, at: number): YamlProblem[] {
  const after = items[at];
  if (type !== "flow-collection" || at === 0 || after === undefined) return [];
  if (after.start.some(isComma)) return [];
  const message = "Missing , between items of a flow collection";
  return [{ offset: after.start[0]?.offset ?? offset, message }];
}

function isComma({ type }: CST.SourceToken): boolean {
  return type === "comma";
}

/** Some of its members, as a collection that the composer takes as it takes the whole. */
function pieceOf(collection: Collection, from: number, to: number): Collection {
  const [first, ...others] = collection.items.slice(from, to);
  if (first === undefined || from === 0) {
    return withItems(collection, first ? [first, ...others] : []);
  }
  const comma = first.start.findIndex(isComma);
  const start = comma === -1 ? [...first.start] : first.start.toSpliced(comma, 1);
  // Else its place would be that of the whole.
  if (start.length === 0) {
    const { offset } = first.key ?? first.value ?? collection;
    start.push({ type: "space", offset, indent: collection.indent, source: "" });
  }
  return withItems(collection, [{ ...first, start }, ...others]);
}

function withItems(collection: Collection, items: readonly CST.CollectionItem[]): Collection {
  if (collection.type !== "flow-collection") return { ...collection, items } as Collection;
  const { start: { source }, indent, offset } = collection;
  const isMap = source === "{";
  const end: CST.SourceToken = {
    type: isMap ? "flow-map-end" : "flow-seq-end",
    offset: items.at(-1)?.start[0]?.offset ?? offset,
    indent,
    source: isMap ? "}" : "]",
  };
  return { ...collection, items: [...items], end: [end] };
}

function compose(tokens: Iterable<CST.Token>, endOffset: number): Document.Parsed {
  const [document] = new Composer(OPTIONS).compose(tokens, true, endOffset);
  return document as Document.Parsed;
}

function problemsOf({ errors, warnings }: Document): YamlProblem[] {
  return [...errors, ...warnings].map(({ pos: [offset], message }) => ({ offset, message }));
}
