/**
 * Secrets that fluentd prints although it should not, taken out of what leaves this machine.
 *
 * Fluentd itself masks only what a plugin declares as `secret`; a header given as text, a URL
 * with a password and the excerpt of a syntax error are printed as they are.
 *
 * @module
 */

const MASK = "xxxxxx";

/** Pattern → what stays of it. */
const PATTERNS: readonly [pattern: RegExp, kept: string][] = [
  // Authorization: Bearer abc, "authorization":"Basic abc"
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+/gi, `$1 ${MASK}`],
  // https://user:password@host
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:)[^\s@/]+@/gi, `$1${MASK}@`],
  // password "abc", api_key=abc, "shared_key":"abc", aws_sec_key abc
  [
    /(["']?\b[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api_?key|shared_key|sec_key|access_key|private_key)[\w.-]*["']?\s*(?:[:=]|=>)?\s*)("[^"]*"?|'[^']*'?|[^\s"',}\]]+)/gi,
    `$1${MASK}`,
  ],
];

/** The text without what looks like a secret. */
export function redact(text: string): string {
  return PATTERNS.reduce((text, [pattern, kept]) => text.replace(pattern, kept), text);
}
