/**
 * Texts with variables, read exactly as systemd reads them: an `EnvironmentFile=`, and the words of an
 * `ExecStart=` that have variables in them.
 *
 * An environment file is no shell script: `A=a b` is a value with a blank, `A=1 # x` has the comment in
 * it, `A='a'"b"` is `ab`, and `export A=1` is no variable.
 *
 * @see https://www.freedesktop.org/software/systemd/man/systemd.exec.html#EnvironmentFile=
 * @see https://github.com/systemd/systemd/blob/v252/src/basic/env-file.c
 * @module
 */

type Env = Readonly<Record<string, string>>;

type State =
  | "beforeKey"
  | "key"
  | "beforeValue"
  | "value"
  | "escape"
  | "single"
  | "double"
  | "doubleEscape"
  | "comment"
  | "commentEscape";

const isBlank = (c: string) => c === " " || c === "\t" || isNewline(c);
const isNewline = (c: string) => c === "\n" || c === "\r";
/** Of these a backslash in double quotes takes the meaning; before others it stays. */
const ESCAPED_IN_DOUBLE = new Set(['"', "\\", "`", "$"]);
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The variables of an environment file. */
export function parseEnvironmentFile(text: string): Record<string, string> {
  const env: Record<string, string> = {};
  let state: State = "beforeKey";
  let key = "";
  let value = "";
  /** Blanks at the end of an unquoted value are none of it. */
  let kept = 0;
  const push = () => {
    const name = key.trim();
    if (NAME.test(name)) env[name] = value;
    key = value = "";
    kept = 0;
  };
  for (const c of text) {
    switch (state) {
      case "beforeKey":
        if (c === "#" || c === ";") state = "comment";
        else if (!isBlank(c)) [state, key] = ["key", c];
        break;
      case "key":
        if (isNewline(c)) [state, key] = ["beforeKey", ""];
        else if (c === "=") state = "beforeValue";
        else key += c;
        break;
      case "beforeValue":
        if (isNewline(c)) {
          state = "beforeKey";
          push();
        } else if (c === "'") state = "single";
        else if (c === '"') state = "double";
        else if (c === "\\") state = "escape";
        else if (!isBlank(c)) {
          state = "value";
          value += c;
          kept = value.length;
        }
        break;
      case "value":
        if (isNewline(c)) {
          state = "beforeKey";
          value = value.slice(0, kept);
          push();
        } else if (c === "\\") {
          state = "escape";
          kept = value.length;
        } else {
          value += c;
          if (!isBlank(c)) kept = value.length;
        }
        break;
      case "escape":
        state = "value";
        // An escaped end of line is nothing at all.
        if (!isNewline(c)) value += c;
        kept = value.length;
        break;
      case "single":
        if (c === "'") state = "beforeValue";
        else value += c;
        break;
      case "double":
        if (c === '"') state = "beforeValue";
        else if (c === "\\") state = "doubleEscape";
        else value += c;
        break;
      case "doubleEscape":
        state = "double";
        if (ESCAPED_IN_DOUBLE.has(c)) value += c;
        else if (c !== "\n") value += `\\${c}`;
        break;
      case "comment":
        if (c === "\\") state = "commentEscape";
        else if (isNewline(c)) state = "beforeKey";
        break;
      case "commentEscape":
        state = "comment";
        break;
    }
  }
  if (state === "value") value = value.slice(0, kept);
  if (!["beforeKey", "key", "comment", "commentEscape"].includes(state)) push();
  return env;
}

/**
 * The arguments with their variables filled in. A variable as a whole word (`$OPTIONS`) becomes as many
 * words as its value has; none if it is empty. `${NAME}` within a word is replaced as it is.
 */
export function expandArguments(argv: readonly string[], env: Env): string[] {
  return argv.flatMap((word) => {
    if (/^\$[^{$]/.test(word)) return splitWords(env[word.slice(1)] ?? "");
    return [
      word.replace(
        /\$\$|\$\{([^}]{0,1000})\}/g,
        (all, name) => all === "$$" ? "$" : env[name] ?? "",
      ),
    ];
  });
}

/** At blanks outside of quotes; the quotes go away, and so does each backslash. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === "\\") word = (word ?? "") + (text[++i] ?? "");
    else if (quote !== "") {
      if (c === quote) quote = "";
      else word = (word ?? "") + c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= "";
    } else if (isBlank(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + c;
  }
  if (word !== undefined) words.push(word);
  return words;
}
