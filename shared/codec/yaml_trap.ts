/**
 * Plain scalars that two readers of YAML take for two things. YAML 1.1 (PyYAML, Ruby, Ansible) has
 * octal numbers, numbers with "_", numbers to base 60 and four words for true and false; YAML 1.2, which
 * is read here, has none of them.
 *
 *     written   YAML 1.1   YAML 1.2
 *     0755      493        755
 *     0o755     "0o755"    493
 *     0b11      3          "0b11"
 *     1_000     1000       "1_000"
 *     12:30     750        "12:30"
 *     yes, off  a boolean  "yes", "off"
 *
 * Nobody can know what was meant, so the value is refused where it matters, with what to write instead.
 *
 * @see https://yaml.org/type/
 * @module
 */

/** What to write in place of such a scalar. */
export interface Trap {
  /** As it was written. */
  readonly source: string;
  /** For a number. */
  readonly number?: string;
  /** For a boolean. */
  readonly boolean?: string;
}

const YES = /^(?:yes|on)$/i;
const NO = /^(?:no|off)$/i;
const OCTAL = /^([-+]?)0([0-7_]+)$/;
const OCTAL_12 = /^([-+]?)0o([0-7_]+)$/;
const BINARY = /^([-+]?)0b([01_]+)$/;
const LEADING_ZERO = /^[-+]?0[0-9_]+$/;
const UNDERSCORES = /^[-+]?(?:0x[0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)$/;
const BASE_60 = /^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/;

/** The trap in a plain scalar; `undefined` where all readers agree, or differ in what has no type here. */
export function trapOf(source: string): Trap | undefined {
  if (YES.test(source)) return { source, boolean: "true" };
  if (NO.test(source)) return { source, boolean: "false" };
  for (const [pattern, radix] of [[OCTAL, 8], [OCTAL_12, 8], [BINARY, 2]] as const) {
    const [, sign = "", digits = ""] = pattern.exec(source) ?? [];
    const number = digits.replaceAll("_", "") === "" ? NaN : parseInt(bare(digits), radix);
    if (!Number.isSafeInteger(number)) continue;
    const minus = sign === "-" ? "-" : "";
    const others = pattern === OCTAL ? ` or ${minus}${decimal(digits)}` : "";
    return { source, number: `${minus}${number}${others}` };
  }
  if (LEADING_ZERO.test(source)) return { source, number: decimal(source) };
  if (source.includes("_") && UNDERSCORES.test(source)) return { source, number: bare(source) };
  return BASE_60.test(source) ? { source } : undefined;
}

const bare = (digits: string) => digits.replaceAll("_", "");
const decimal = (digits: string) => bare(digits).replace(/^([-+]?)0+(?=.)/, "$1");
