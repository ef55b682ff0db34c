/**
 * The syntaxes of a document.
 *
 * @module
 */

/** How a request is written. */
export type Format = "json" | "yaml" | "xml";
/** How a response is written; `json` is one line. */
export type OutputFormat = Format | "prettyjson";

const EXTENSIONS: Readonly<Record<string, Format>> = {
  json: "json",
  ndjson: "json",
  xml: "xml",
  yaml: "yaml",
  yml: "yaml",
};

/** The format that a file's extension stands for; none for others. */
export function formatOfPath(path: string): Format | undefined {
  const [, extension = ""] = /\.([a-z]+)$/i.exec(path) ?? [];
  const name = extension.toLowerCase();
  return Object.hasOwn(EXTENSIONS, name) ? EXTENSIONS[name] : undefined;
}

/** The format by the first character that is not blank: `{` or `[` is JSON, `<` XML, else YAML. */
export function sniffFormat(text: string): Format {
  switch (/[^\s\ufeff]/.exec(text)?.[0]) {
    case "{":
    case "[":
      return "json";
    case "<":
      return "xml";
    default:
      return "yaml";
  }
}
