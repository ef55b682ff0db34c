/**
 * Secrets that fluentd prints although it should not, taken out of what leaves this machine.
 *
 * Fluentd itself masks only what a plugin declares as `secret`; a header given as text, a URL
 * with a password and the excerpt of a syntax error are printed as they are. So each value whose name
 * says that it is one is masked, in whatever syntax it stands:
 *
 *     password hunter2            "password"=>"hunter2"          {\"password\":\"hunter2\"}
 *     password: hunter2           ?token=abc&x=1                 https://user:hunter2@host/
 *
 * One walk from left to right: the time grows with the length of the text and with nothing else.
 *
 * @module
 */

export const MASK = "xxxxxx";

/**
 * Ends of names whose values are secrets. A name is taken apart first: `sharedKey`, `shared-key` and
 * `SHARED_KEY` are `shared_key`.
 */
const SECRET_ENDS = [
  "pass",
  "passwd",
  "password",
  "passphrase",
  "passcode",
  "pwd",
  "pw",
  "bindpw",
  "secret",
  "token",
  "apikey",
  "api_key",
  "app_key",
  "application_key",
  "shared_key",
  "sec_key",
  "access_key",
  "account_key",
  "private_key",
  "secret_key",
  "encryption_key",
  "customer_key",
  "hmac_key",
  "license_key",
  "licence_key",
  "ingestion_key",
  "ingest_key",
  "write_key",
  "instrumentation_key",
  "integration_key",
  "routing_key",
  "signing_key",
  "service_key",
  "master_key",
  "auth_key",
  "key_id_secret",
  "connection_string",
  "credential",
  "credentials",
  "authorization",
  "auth",
  "cookie",
  "sasl_plain_password",
  "signature",
  "sig",
  "private_key_content",
  "json_key",
  "webhook",
  "webhook_url",
  "bearer",
];
/** Names that end like a secret and are none: where it is, whether there is one, and how long it lasts. */
const NO_SECRET = new Set([
  "no_auth",
  "require_auth",
  "user_auth",
  "client_cert_auth",
  "ssl_client_auth",
  "tls_client_auth",
  "allow_anonymous_auth",
  "bypass",
  "next_token",
]);
/** Values that only say whether, or which kind; and a group of a pattern. */
const NO_VALUE =
  /^(?:true|false|yes|no|on|off|nil|null|none|basic|digest|bearer|plain|md5|\d{1,2}|\(\?.*)$/is;

/** What shows by itself that it is a secret; `kept` is not a part of it. */
const BY_FORM: readonly RegExp[] = [
  // Authorization: Bearer abc
  /(?<kept>\b(?:Bearer|Basic|Splunk|ApiKey|SharedKey|Token token=)\s+\\?["']?)[A-Za-z0-9._~+/:=-]{6,}/gi,
  // https://user:password@host, and https://token@host
  /(?<kept>\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@"'\\]{0,200}:)[^\s"'\\@/]{1,500}(?=@)/gi,
  /(?<kept>\b(?:https?|nats):\/\/)[^\s:/@"'\\?]{12,200}(?=@)/gi,
  // The path of a webhook is its password.
  /(?<kept>\bhooks\.slack\.com\/(?:services|workflows)\/|\bdiscord(?:app)?\.com\/api\/webhooks\/\d{1,30}\/|\.webhook\.office\.com\/[a-z0-9]{1,20}\/|\boutlook\.office\.com\/webhook\/|\bapi\.telegram\.org\/bot|\bwebhooks?\.(?!office\.)[a-z0-9.-]{1,60}\/)[^\s"'\\?,}\]]{8,}/gi,
  // curl -u user:password
  /(?<kept>(?<![\w-])(?:-u[ =]?|--(?:proxy-)?user[ =])\\?["']?[^\s:"']{1,100}:)[^\s"'\\]{1,200}/g,
  // Keys that have a form of their own.
  /(?<kept>\b(?:AKIA|ASIA))[A-Z0-9]{16}\b/g,
  /(?<kept>\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk_live_|rk_live_|NRAK-|SG\.))[A-Za-z0-9_.-]{10,}/g,
  /(?<kept>)\beyJ[A-Za-z0-9_-]{8,400}\.[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{0,1000}/g,
];

/** A name, and what stands between it and its value. */
const NAMED =
  /(?<![A-Za-z0-9_.])(@?[A-Za-z_][A-Za-z0-9_.-]{0,63})((?:\\{0,3}["'])?(?:\s{0,8}(?:=>|[:=])\s{0,8}|[ \t]{1,40})|=)/g;

/** Whether the value of such a name is a secret. */
export function isSecretName(name: string): boolean {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase().replace(/[-.@\s]/g, "_")
    .replace(/^_+/, "");
  if (NO_SECRET.has(words)) return false;
  return SECRET_ENDS.some((end) =>
    words === end || words.endsWith(`_${end}`) || end.length > 5 && words.endsWith(end)
  );
}

/** Takes each secret that is masked. */
type Found = (secret: string) => void;

/** The text without what looks like a secret. */
export function redact(text: string, found: Found = () => {}): string {
  const masked = maskNamed(maskPrivateKeys(text, found), found);
  return BY_FORM.reduce(
    (text, pattern) =>
      text.replace(pattern, (all: string, ...rest: unknown[]) => {
        const { kept } = rest.at(-1) as { kept: string };
        const secret = all.slice(kept.length);
        if (!secret.startsWith(MASK)) found(secret);
        return kept + MASK;
      }),
    masked,
  );
}

/** What `redact` would mask. */
export function secretsIn(text: string): string[] {
  const secrets: string[] = [];
  redact(text, (secret) => secrets.push(secret));
  return secrets;
}

const KEY_BEGIN = "PRIVATE KEY-----";
const KEY_END = "-----END";
/** Between `END` and `PRIVATE`: " RSA " or the like. */
const MAX_LABEL = 40;

/** What stands between the two lines of a private key; to the end where the second one is cut off. */
function maskPrivateKeys(text: string, found: Found): string {
  let masked = "";
  let done = 0;
  for (let at = text.indexOf(KEY_BEGIN); at !== -1; at = text.indexOf(KEY_BEGIN, done)) {
    const from = at + KEY_BEGIN.length;
    const last = text.indexOf(KEY_END, from);
    const end = last === -1 ? text.length : last;
    if (end > from) found(text.slice(from, end));
    masked += text.slice(done, from) + (end > from ? MASK : "");
    done = last === -1 ? end : endOfLabel(text, end);
    masked += text.slice(end, done);
  }
  return masked + text.slice(done);
}

/** Behind `-----END RSA PRIVATE KEY-----`, which is no begin of another key. */
function endOfLabel(text: string, from: number): number {
  const at = text.indexOf(KEY_BEGIN, from);
  return at === -1 || at - from > MAX_LABEL ? from + KEY_END.length : at + KEY_BEGIN.length;
}

/** Masks the values of names that say so. */
function maskNamed(text: string, found: Found): string {
  let masked = "";
  let done = 0;
  NAMED.lastIndex = 0;
  for (let match = NAMED.exec(text); match !== null; match = NAMED.exec(text)) {
    const [all, name = "", between = ""] = match;
    // Of prose ("the token is …") only a line of a config counts, and an option of a command.
    const byBlank = !/[:=]/.test(between);
    const isOption = text.startsWith("--", match.index - 2);
    if (!isSecretName(name) || byBlank && !isOption && !beginsLine(text, match.index)) {
      // The value may itself be a name: `headers {"Authorization": …`, `a b=c`.
      NAMED.lastIndex = match.index + name.length;
      continue;
    }
    let from = match.index + all.length;
    // A line of a config or of YAML has but one value.
    const toLineEnd = byBlank && !isOption || /: /.test(between) && beginsLine(text, match.index);
    let end = endOfValue(text, from, toLineEnd);
    const block = toLineEnd && /^[|>][-+\d]{0,2}$/.test(text.slice(from, end).trim());
    if (block) [from, end] = blockAfter(text, match.index, end + 1);
    const [, quote = "", value = ""] = /^((?:\\{0,3}["'])?)(.*)$/s.exec(text.slice(from, end)) ??
      [];
    NAMED.lastIndex = Math.max(end, from);
    if (value === "" || NO_VALUE.test(value) || value.startsWith(MASK)) continue;
    // Its kind may stay: "Bearer xxxxxx" is masked by its form.
    const [, kind = ""] = /^((?:Bearer|Basic|Splunk|ApiKey|Digest|Token)\s+)/i.exec(value) ?? [];
    found(value.slice(kind.length));
    masked += text.slice(done, from) + quote + kind + MASK;
    done = end;
  }
  return masked + text.slice(done);
}

/** What is looked at of a line before a name. */
const MAX_INDENT = 100;

/** Whether nothing but blanks and a line's number stands between the line's begin and this place. */
function beginsLine(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - MAX_INDENT), at);
  const begin = before.lastIndexOf("\n") + 1;
  return (begin > 0 || at <= MAX_INDENT) && /^[ \t\d:>|-]*$/.test(before.slice(begin));
}

/** A block of YAML: all lines that are empty or indented by more than its name, which is at `name`. */
function blockAfter(text: string, name: number, from: number): [from: number, end: number] {
  const column = (at: number) => /^[ \t-]*/.exec(text.slice(at, at + MAX_INDENT))![0].length;
  const indent = column(text.lastIndexOf("\n", name) + 1);
  let end = from;
  for (let at = from; at < text.length;) {
    const lineEnd = text.indexOf("\n", at);
    const next = lineEnd === -1 ? text.length : lineEnd;
    if (text.slice(at, next).trim() !== "") {
      if (column(at) <= indent) break;
      end = next;
    }
    at = next + 1;
  }
  return [Math.min(end, from + column(from)), end];
}

/** Characters of a quoted value in the lines after its first one. */
const MAX_NEXT_LINES = 4096;

/** Where a value ends: before the quote that closes it, or where its syntax has it end. */
function endOfValue(text: string, from: number, toLineEnd: boolean): number {
  const [open = ""] = /^\\{0,3}["']/.exec(text.slice(from, from + 4)) ?? [];
  if (open !== "") {
    const quote = open.at(-1)!;
    const depth = open.length - 1;
    let lineEnd: number | undefined;
    for (let i = from + open.length; i < text.length; i++) {
      if (text[i] === "\n" && depth === 0 && toLineEnd) lineEnd ??= i;
      // It is never closed, so that it ends with its line.
      if (lineEnd !== undefined && i - lineEnd > MAX_NEXT_LINES) return lineEnd;
      if (text[i] !== quote) continue;
      let slashes = 0;
      while (text[i - 1 - slashes] === "\\" && i - slashes > from + open.length) slashes++;
      // A quote is escaped by more backslashes than the one that opened has.
      if (slashes > depth) continue;
      const closed = lineEnd === undefined ||
        /^[ \t]{0,20}(?:#|\r?\n|$)/.test(text.slice(i + 1, i + 30));
      return closed ? i - slashes : lineEnd!;
    }
    return lineEnd ?? text.length;
  }
  const stop = toLineEnd ? /\r?\n/g : /[\s,;&}\])"'\\]/g;
  // A scheme belongs to its value: `Authorization: Bearer abc`.
  const [scheme = ""] = /^(?:Bearer|Basic|Splunk|ApiKey|Digest|Token)\s+/i
    .exec(text.slice(from, from + 20)) ?? [];
  stop.lastIndex = from + scheme.length;
  return stop.exec(text)?.index ?? text.length;
}
