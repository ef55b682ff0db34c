/**
 * What a server says of itself in the headers of its upgrade request: docs/protocol.md §2.2, §2.3.
 *
 *     X-Hub-Meta-Name      edge-1                  or  edge-1/payments
 *     X-Hub-Meta-Labels    env=prod,site=ams       → { env: "prod", site: "ams" }
 *     X-Hub-Meta-Instance  5f0c…                   a UUID
 *     X-Hub-Meta-Version   0.1.0
 *
 *     name   → part [ "/" part ]
 *     part   → 1*128( a-z / 0-9 / "." / "_" / "-" )
 *     labels → [ label *( "," label ) ]            at most 64
 *     label  → key "=" value
 *     key    → ( alpha / digit ) *62( alpha / digit / "." / "_" / "-" / "/" )
 *     value  → *128( visible ASCII but "," and "=" )
 *
 * @module
 */
import type { Refusal } from "./refusal.ts";
import type { ServerInfo } from "./tunnel.ts";

/** More labels than this are refused. */
export const MAX_LABELS = 64;
/** How much of a bad value an error shows. */
const MAX_SHOWN = 64;

const NAME = /^[a-z0-9._-]{1,128}(?:\/[a-z0-9._-]{1,128})?$/;
const LABEL_KEY = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/;
const LABEL_VALUE = /^[!-+\--<>-~]{0,128}$/;
const INSTANCE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const VERSION = /^[!-~]{1,64}$/;

/** What a name must look like, for the end of error messages. */
export const NAME_RULE = "1 to 128 of a-z 0-9 . _ - (and /upstream for an exposed one)";

/** Whether this can be the name of a server, or of an upstream behind one. */
export function isServerName(text: string): boolean {
  return NAME.test(text);
}

/** A value that a peer sent, short enough and harmless enough for a message. */
export function quote(value: string): string {
  const shown = value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value;
  return JSON.stringify(shown);
}

function bad(message: string): Refusal {
  return { status: 400, code: "INVALID_ARGUMENT", message };
}

/**
 * Reads a list of labels.
 *
 * @throws {SyntaxError} If it does not match the grammar, or names a key twice.
 */
export function parseLabels(text: string): Record<string, string> {
  const labels = new Map<string, string>();
  if (text.trim() === "") return {};
  for (const part of text.split(",", MAX_LABELS + 1)) {
    if (labels.size === MAX_LABELS) {
      throw new SyntaxError(`Cannot take more than ${MAX_LABELS} labels`);
    }
    const label = part.trim();
    const equals = label.indexOf("=");
    if (equals < 0) throw new SyntaxError(`Cannot read label ${quote(label)}: it is not key=value`);
    const key = label.slice(0, equals);
    const value = label.slice(equals + 1);
    if (!LABEL_KEY.test(key)) {
      throw new SyntaxError(
        `Cannot take label key ${quote(key)}: it must be 1 to 63 of A-Z a-z 0-9 . _ - / ` +
          "and start with a letter or digit",
      );
    }
    if (!LABEL_VALUE.test(value)) {
      throw new SyntaxError(
        `Cannot take the value of label ${quote(key)}: it must be at most 128 visible ASCII ` +
          "characters without , and =",
      );
    }
    if (labels.has(key)) throw new SyntaxError(`Cannot take label ${quote(key)} twice`);
    labels.set(key, value);
  }
  return Object.fromEntries(labels);
}

/**
 * Reads the registration headers.
 *
 * @param header Looks a header up; names are given in lower case.
 * @param remoteAddress `host:port` that the request came from.
 */
export function parseMeta(
  header: (name: string) => string | null | undefined,
  remoteAddress: string,
): ServerInfo | Refusal {
  const name = header("x-hub-meta-name") ?? "";
  if (name === "") return bad(`Missing header X-Hub-Meta-Name: it must be ${NAME_RULE}`);
  if (!isServerName(name)) {
    return bad(`Bad server name ${quote(name)} in X-Hub-Meta-Name: it must be ${NAME_RULE}`);
  }
  const instance = header("x-hub-meta-instance") ?? "";
  if (instance !== "" && !INSTANCE.test(instance)) {
    return bad(`Bad X-Hub-Meta-Instance ${quote(instance)}: it must be a UUID`);
  }
  const version = header("x-hub-meta-version") ?? "";
  if (version !== "" && !VERSION.test(version)) {
    return bad(
      `Bad X-Hub-Meta-Version ${quote(version)}: it must be at most 64 visible ASCII characters`,
    );
  }
  try {
    const labels = parseLabels(header("x-hub-meta-labels") ?? "");
    return { name, labels, instance: instance.toLowerCase(), version, remoteAddress };
  } catch (error) {
    if (error instanceof SyntaxError) return bad(`${error.message} (in X-Hub-Meta-Labels)`);
    throw error;
  }
}
