/**
 * What another auth file would have said to something that stands in the audit.
 *
 *     line ─▶ who is it there? ─▶ is its credential still good? ─▶ what may it do there?
 *
 * An audit holds no credentials and not everything that rules look at, so that there is a third
 * answer in addition to yes and no: what cannot be told, and why. It is never guessed.
 *
 * @module
 */
import { anyMatches } from "../../../shared/rules/glob.ts";
import { type Grant, type Rule, RuleGrant } from "../../../shared/rules/rules.ts";
import type { AuditRecord } from "../../audit/record.ts";
import { isOwnCall, isTunnelService } from "../../access/director.ts";
import type { AuthFile, Credentials, OperatorEntry, ServerEntry } from "../../auth/auth_file.ts";
import { admit } from "../../auth/file_auth.ts";

/** An answer, with its reason. */
export interface Judgement {
  readonly answer: "allowed" | "refused" | "unknown";
  readonly reason: string;
}

/** A line of the audit, as far as it is looked at. */
export type AuditEntry =
  & Pick<AuditRecord, "kind" | "who" | "subject" | "server" | "labels" | "method" | "status">
  & Pick<AuditRecord, "bytesUp" | "reason">;

/** Labels of a server when the line was written; `undefined` if they are not known. */
export type LabelsOf = (server: string) => Readonly<Record<string, string>> | undefined;

/** The name that the hub gives to a peer that needs no credential. */
const LOOPBACK = "loopback";
/** The audit cuts methods off there: `observe/event_log.ts`. */
const CUT_METHOD_LENGTH = 256;
/** How a name in a certificate begins. */
const SAN = /^(?:dns|uri|email|ip):/;

const ALLOWED: Judgement = { answer: "allowed", reason: "" };
const refused = (reason: string): Judgement => ({ answer: "refused", reason });
const unknown = (reason: string): Judgement => ({ answer: "unknown", reason });

/** What the hub says when rules or credentials are against it. */
const REFUSALS: readonly string[] = ["PERMISSION_DENIED", "UNAUTHENTICATED"];
/** The hub ends calls with these also before it has asked the rules about the method. */
const EARLY: readonly string[] = [
  ...["NOT_FOUND", "UNAVAILABLE", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"],
];

/** What became of a line at its time. A status without a reason is the server's own. */
export function judgementThen({ kind, status, reason, bytesUp }: AuditEntry): Judgement {
  if (reason === undefined) return ALLOWED;
  if (REFUSALS.includes(status)) return refused(reason);
  // Only of a raw connection that stood, bytes are counted.
  if (kind === "raw" && bytesUp !== undefined) return ALLOWED;
  return EARLY.includes(status) ? unknown(`it ended with ${status} then`) : ALLOWED;
}

/** Grants of one operator, for servers with labels that are known or not. */
interface Grants {
  readonly exact: Grant;
  /** All labels that are not known are as they should be for a yes; and for a no. */
  readonly best: Grant;
  readonly worst: Grant;
}

/** Remembered as an object: grants remember their answers by it. */
const NO_LABELS = Object.freeze({});

/** Says what another auth file would have answered to a line of the audit. */
export class Judge {
  readonly #file: AuthFile;
  /** The file in force, if it is there to be compared with. */
  readonly #old: AuthFile | undefined;
  readonly #grants: ReadonlyMap<string, Grants>;
  readonly #now: number;

  constructor(file: AuthFile, { old, now = Date.now() }: { old?: AuthFile; now?: number } = {}) {
    this.#file = file;
    this.#old = old;
    this.#now = now;
    this.#grants = new Map(file.operators.map(({ id, rules }) => [id, grantsOf(rules)]));
  }

  judge(entry: AuditEntry, labelsOf: LabelsOf): Judgement {
    const { kind, who } = entry;
    if (who === "") return this.#stranger();
    if (who === LOOPBACK) {
      return this.#file.allowLoopback ? ALLOWED : refused("it came without a credential");
    }
    return kind === "registration" ? this.#registration(entry) : this.#call(entry, labelsOf);
  }

  /** A call that the audit shows as refused may succeed now if the new file adds a credential. */
  #stranger(): Judgement {
    if (this.#old !== undefined) {
      const before = new Set(allCredentials(this.#old));
      const added = allCredentials(this.#file).some((key) => !before.has(key));
      if (!added) return refused("no credential is new");
    }
    return unknown("the audit does not say who it was");
  }

  #registration(line: AuditEntry): Judgement {
    const { who, subject = "", server, labels } = line;
    const entry = this.#file.servers.find(({ id }) => id === who);
    if (entry === undefined) return refused(`there is no server entry "${who}"`);
    const proven = this.#proves(entry, this.#old?.servers, line);
    if (proven.answer !== "allowed") return proven;
    // The audit holds only one of a JWT's claims.
    const fills = entry.names.flatMap((name) =>
      [...name.matchAll(/\{(\w+)\}/g)].map(([, key]) => key)
    );
    const known = subject === "" ? [] : SAN.test(subject) ? ["san"] : ["sub"];
    const values = new Map(known.map((key) => [key, subject.replace(SAN, "")]));
    const proof = { entry, how: "token", values } as const;
    const byName = admit(proof, { name: server, labels: NO_LABELS });
    if ("status" in byName) {
      const missing = fills.find((key) => !known.includes(key!));
      return missing === undefined
        ? refused(byName.message)
        : unknown(`the audit does not say what {${missing}} was`);
    }
    if (labels === undefined) return this.#withoutLabels(entry);
    const answer = admit(proof, { name: server, labels });
    return "status" in answer ? refused(answer.message) : ALLOWED;
  }

  #withoutLabels({ labels }: ServerEntry): Judgement {
    const all = labels.some(({ key, values }) =>
      key.pattern === "**" && values.some(({ pattern }) => pattern === "**")
    );
    return all ? ALLOWED : unknown("the audit does not say which labels it claimed");
  }

  #call(line: AuditEntry, labelsOf: LabelsOf): Judgement {
    const { kind, who, server, method = "" } = line;
    const entry = this.#file.operators.find(({ id }) => id === who);
    if (entry === undefined) return refused(`there is no operator "${who}"`);
    const proven = this.#proves(entry, this.#old?.operators, line);
    if (proven.answer !== "allowed") return proven;
    if (kind === "call" && isTunnelService(method)) return refused("no operator may call it");
    if (server === "") {
      return kind === "call" && isOwnCall(method)
        ? ALLOWED
        : unknown("the audit does not say which server it was for");
    }
    if (method.length >= CUT_METHOD_LENGTH) return unknown("the method's name is cut off");
    return this.#byRules(entry, {
      server,
      labels: labelsOf(server),
      path: kind === "raw" ? "" : method,
    });
  }

  #byRules(
    { id }: OperatorEntry,
    { server: name, labels, path }: {
      readonly server: string;
      readonly labels: Readonly<Record<string, string>> | undefined;
      readonly path: string;
    },
  ): Judgement {
    const { exact, best, worst } = this.#grants.get(id)!;
    const target = { name, labels: labels ?? NO_LABELS };
    const may = (grant: Grant) =>
      grant.maySee(target) &&
      (path === "" ? grant.mayCallAll(target) : grant.mayCall(target, path));
    if (labels !== undefined) {
      return may(exact) ? ALLOWED : refused(exact.whyNot(target, path));
    }
    if (may(worst)) return ALLOWED;
    if (!may(best)) return refused(best.whyNot(target, path));
    return unknown("the audit does not say which labels the server had");
  }

  /** Whether what proved to be an entry then still does. */
  #proves<E extends Credentials & { readonly id: string }>(
    entry: E,
    olds: readonly E[] | undefined,
    { subject }: AuditEntry,
  ): Judgement {
    const named = `"${entry.id}"`;
    const old = olds?.find(({ id }) => id === entry.id);
    if (olds !== undefined && old !== undefined) {
      const before = credentialKeys(old, this.#old!);
      const after = new Set(credentialKeys(entry, this.#file));
      const gone = before.filter((key) => !after.has(key)).length;
      if (gone === 0) return ALLOWED;
      return gone === before.length
        ? refused(`none of the credentials of ${named} is left`)
        : unknown(
          `some credentials of ${named} are gone, and the audit does not say which it used`,
        );
    }
    const { tokens, jwt, certificates } = entry;
    if (subject === undefined) {
      const good = tokens.some(({ expiresAtMs = Infinity }) => expiresAtMs > this.#now);
      if (good || jwt.length > 0) return ALLOWED;
      return refused(
        tokens.length > 0 ? `the tokens of ${named} have expired` : `${named} has no token`,
      );
    }
    if (SAN.test(subject) && anyMatches(certificates, subject)) return ALLOWED;
    const bySub = jwt.filter(({ claims }) => claims.get("sub")?.matches(subject) ?? true);
    if (bySub.length > 0) return ALLOWED;
    return refused(`${JSON.stringify(subject)} is not ${named} there`);
  }
}

/** Each credential of an entry as a text; what an issuer is counts as well as its name. */
function credentialKeys(
  { tokens, jwt, certificates }: Credentials,
  { issuers }: AuthFile,
): string[] {
  return [
    ...tokens.map(({ sha256, expiresAtMs }) => `${sha256} ${expiresAtMs}`),
    ...jwt.map(({ issuer, claims }) =>
      JSON.stringify([
        issuers.find(({ id }) => id === issuer),
        [...claims].map(([claim, { pattern }]) => [claim, pattern]).sort(),
      ])
    ),
    ...certificates.map(({ pattern }) => `certificate ${pattern}`),
  ];
}

function allCredentials(file: AuthFile): string[] {
  const all = [...file.servers, ...file.operators].flatMap((entry) => credentialKeys(entry, file));
  return file.allowLoopback ? [...all, LOOPBACK] : all;
}

function grantsOf(rules: readonly Rule[]): Grants {
  /** Rules of one effect that look at labels apply always, those of the other never. */
  const assume = (effect: Rule["effect"]) =>
    new RuleGrant(
      rules.filter((rule) => rule.effect === effect || rule.labels.size === 0)
        .map((rule) => ({ ...rule, labels: new Map() })),
    );
  return { exact: new RuleGrant(rules), best: assume("allow"), worst: assume("deny") };
}
