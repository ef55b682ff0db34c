/**
 * XML text → elements, with the traps of fast-xml-parser closed.
 *
 * | trap | closed by |
 * |---|---|
 * | it accepts wrong nesting and a truncated end | its validator runs first |
 * | the validator accepts several roots with text between | all is wrapped in one root of ours |
 * | DOCTYPE may define entities, which expand | refused, with all other `<!` |
 * | numeric references stay, unknown entities stay | it decodes none, `decodeText` does |
 * | text in CDATA must not be decoded | kept apart |
 * | elements named `constructor` throw | names carry a prefix while it works |
 * | control characters, `]]>` and `<` where XML forbids them pass | looked for first |
 *
 * @module
 */
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { MAX_DEPTH, MAX_DOCUMENTS } from "./bounds.ts";
import { Fault } from "./fault.ts";

export interface XmlElement {
  readonly name: string;
  /** Offset of its `<`. */
  readonly at: number;
  readonly attributes: ReadonlyMap<string, string>;
  /** All text directly within it, decoded; comments are left out. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** Elements within each other: a list of messages is one level, a map of messages two. */
const MAX_ELEMENT_DEPTH = 2 * MAX_DEPTH;

/** A name that no document has, of the length that offsets are shifted by. */
const ROOT = "<documents-7c1f>";
/** Any character that no name has: it keeps names apart from what JavaScript has reserved. */
const PREFIX = "<";
const TEXT = "#text";
const CDATA = "#cdata";

const parserOptions = {
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: PREFIX,
  textNodeName: TEXT,
  cdataPropName: CDATA,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  captureMetaData: true,
  maxNestedTags: MAX_ELEMENT_DEPTH + 2,
  // Called twice for an element without content.
  transformTagName: (name: string) => name.startsWith(PREFIX) ? name : PREFIX + name,
};

/**
 * Reads the elements at the top: one for each document.
 *
 * @throws {Fault} At the first place that is no XML, or that this project's XML does not have.
 */
export function readElements(text: string): XmlElement[] {
  const bare = withoutDeclarations(text);
  const wrapped = `${ROOT}${bare}</${ROOT.slice(1)}`;
  const valid = XMLValidator.validate(wrapped, { allowBooleanAttributes: false });
  if (valid !== true) throw validatorFault(bare, valid.err);
  let roots: RawNode[];
  try {
    roots = new XMLParser(parserOptions).parse(wrapped);
  } catch (error) {
    throw new Fault(0, `Cannot read the XML: ${error instanceof Error ? error.message : error}`);
  }
  const [root, second] = roots;
  if (root === undefined || second !== undefined) throw new Fault(0, "Unexpected closing tag");
  const { text: outside, children } = element(root, -ROOT.length, 0);
  if (outside.trim() !== "") {
    throw new Fault(
      text.indexOf(outside.trim()[0]!),
      "Expected an element, found text outside of one",
    );
  }
  if (children.length > MAX_DOCUMENTS) throw new Fault(0, `More than ${MAX_DOCUMENTS} documents`);
  return [...children];
}

/** One of: an element (its children under its name, its attributes under `:@`), text, CDATA. */
type RawNode = Readonly<Record<string, unknown>>;

function element(raw: RawNode, shift: number, depth: number): XmlElement {
  if (depth > MAX_ELEMENT_DEPTH) throw new Fault(0, `Nested more than ${MAX_ELEMENT_DEPTH} deep`);
  const [key = PREFIX] = Object.keys(raw).filter((key) => key !== ":@");
  const at = startOf(raw) + shift;
  let text = "";
  const children: XmlElement[] = [];
  for (const part of raw[key] as RawNode[]) {
    if (Object.hasOwn(part, TEXT)) text += decodeText(String(part[TEXT]), at);
    else if (Object.hasOwn(part, CDATA)) text += (part[CDATA] as RawNode[])[0]?.[TEXT] ?? "";
    else children.push(element(part, shift, depth + 1));
  }
  const attributes = new Map(
    Object.entries((raw[":@"] ?? {}) as Record<string, string>).map(([name, value]) =>
      [name.slice(PREFIX.length), decodeText(value.replace(/[\t\n]/g, " "), at)] as const
    ),
  );
  return { name: key.slice(PREFIX.length), at, attributes, text, children };
}

function startOf(raw: RawNode): number {
  const metadata = raw[XMLParser.getMetaDataSymbol() as unknown as string];
  return (metadata as { startIndex: number } | undefined)?.startIndex ?? 0;
}

/** What markup there is, to look at each part by its own rules. */
const MARKUP =
  /<!--[^]*?-->|<!\[CDATA\[[^]*?\]\]>|<\?[^]*?\?>|<[!?]|<\/?[^\s"'<>/!?][^"'<>]*(?:"[^"<]*"[^"'<>]*|'[^'<]*'[^"'<>]*)*>|[^<]+|</g;
// deno-lint-ignore no-control-regex -- these are what XML 1.0 has no way to write
const FORBIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/u;

/**
 * The text with its XML declarations blanked out, so that several documents can stand in one.
 * Refuses what the validator lets through.
 */
function withoutDeclarations(text: string): string {
  const forbidden = FORBIDDEN.exec(text);
  if (forbidden !== null) {
    const code = forbidden[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    throw new Fault(forbidden.index, `XML has no character U+${code}: use encoding="base64"`);
  }
  let depth = 0;
  let bare = "";
  // One after the other: `replace` would look for all of them before it looks at the first.
  for (const { 0: part, index: at } of text.matchAll(MARKUP)) {
    if (part === "<!") throw new Fault(at, unexpected(text.slice(at, at + 9)));
    if (part.startsWith("<?")) {
      bare += declaration(part, at, depth);
      continue;
    }
    bare += part;
    if (part.startsWith("<!")) continue;
    if (part.startsWith("</")) depth--;
    else if (part.startsWith("<") && !part.endsWith("/>")) depth++;
    else if (part.includes("]]>")) {
      throw new Fault(at + part.indexOf("]]>"), 'Expected "]]&gt;", found "]]>" outside of CDATA');
    }
    if (depth > MAX_ELEMENT_DEPTH) {
      throw new Fault(at, `Nested more than ${MAX_ELEMENT_DEPTH} deep`);
    }
  }
  return bare;
}

/** What begins with `<!` and is neither a comment nor CDATA to its end. */
function unexpected(start: string): string {
  if (start.startsWith("<!--")) return "The comment that begins here is never closed";
  if (start === "<![CDATA[") return "The CDATA that begins here is never closed";
  return "Expected no DOCTYPE and no ENTITY: write the text itself";
}

function declaration(part: string, at: number, depth: number): string {
  if (!/^<\?xml\s/.test(part) || depth !== 0) {
    throw new Fault(at, "Expected no processing instruction");
  }
  const [, , encoding = "UTF-8"] = /\sencoding\s*=\s*(["'])([^"']*)\1/.exec(part) ?? [];
  if (!/^(utf-?8|us-ascii)$/i.test(encoding)) {
    throw new Fault(at, `Expected the encoding UTF-8, found ${JSON.stringify(encoding)}`);
  }
  return part.replace(/[^\r\n]/g, " ");
}

interface ValidatorError {
  readonly msg: string;
  readonly line: number;
  readonly col: number;
}

function validatorFault(text: string, { msg, line, col }: ValidatorError): Fault {
  const at = (line: number, col: number) => {
    // Its lines end with LF; the first one has our root before it.
    let start = 0;
    for (let passed = 1; passed < line; passed++) start = text.indexOf("\n", start) + 1;
    return Math.min(Math.max(0, start + col - 1 - (line === 1 ? ROOT.length : 0)), text.length);
  };
  const root = ROOT.slice(1, -1);
  const [, open, openLine, openCol, close] = UNBALANCED.exec(msg) ?? [];
  if (close === root) {
    return new Fault(at(Number(openLine), Number(openCol)), `<${open}> is never closed`);
  }
  if (open === root) return new Fault(at(line, col), `</${close}> closes nothing`);
  if (open !== undefined) {
    return new Fault(
      at(line, col),
      `Expected </${open}>, opened in line ${openLine}, found </${close}>`,
    );
  }
  if (msg.includes(root)) return new Fault(at(line, col), "The last tag is never closed");
  return new Fault(at(line, col), msg.replace(/\.$/, ""));
}

/** What the validator says of tags that do not match. */
const UNBALANCED =
  /^Expected closing tag '([^']*)' \(opened in line (\d+), col (\d+)\) instead of closing tag '([^']*)'/;

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  gt: ">",
  lt: "<",
  quot: '"',
};

/** Decodes the five names and the numeric references; any other is refused. */
function decodeText(text: string, at: number): string {
  return text.replace(/&([^;]*);?/g, (reference, name: string) => {
    if (reference.endsWith(";") && Object.hasOwn(ENTITIES, name)) return ENTITIES[name]!;
    const [, hex, decimal] = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name) ?? [];
    const code = hex !== undefined ? parseInt(hex, 16) : Number(decimal);
    if (reference.endsWith(";") && code <= 0x10ffff) {
      const character = String.fromCodePoint(code);
      if (!FORBIDDEN.test(character)) return character;
    }
    const shown = reference.slice(0, 20);
    throw new Fault(at, `Unknown reference "${shown}": write "&amp;" for an ampersand`);
  });
}
