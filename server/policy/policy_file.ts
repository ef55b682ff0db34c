/**
 * The policy file: what a server lets operators call, whatever its hub lets them. docs/security.md
 * shows one.
 *
 *     file → { version: 1, rules: [rule] }
 *     rule → { operators: [pattern], by?: [proof], upstreams?: [pattern], methods: [pattern],
 *              effect: allow | deny }
 *     proof → token | jwt | certificate | loopback
 *
 * Rules mean what they mean in a hub's auth file (`shared/rules/rules.ts`): deny wins, allow is
 * read narrowly and deny widely. Without `upstreams` an allow rule is about this server's own
 * services, and a deny rule about its upstreams as well.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  readEffectAndMethods,
  readGlobs,
  readingOf,
  readVersion,
  requireFields,
} from "../../shared/rules/elements.ts";
import { type Glob, glob } from "../../shared/rules/glob.ts";
import { type Rule, RuleGrant } from "../../shared/rules/rules.ts";
import { type LoadedFile, readRulesFile } from "../../shared/files/watched_file.ts";
import { readEach, readYamlFile, type YamlElement } from "../../shared/rules/yaml_element.ts";
import { atOnce, type Steps } from "../../shared/async/steps.ts";
import { type ProofKind, PROOFS } from "../../shared/vouchers/voucher.ts";

/** Larger files are refused. */
export const MAX_POLICY_FILE_BYTES = 1024 * 1024;
/** Operators whose rules are kept ready; one more, and all are worked out again. */
const MAX_CALLERS = 1_000;

/** Who calls. */
export interface VouchedCaller {
  /** As the hub names it. */
  readonly operator: string;
  readonly how: ProofKind;
}

/** What is called. */
export interface Called {
  /** Name of an upstream, or empty for this server's own services. */
  readonly upstream: string;
  /** `/package.Service/Method`; every method, if it is left out. */
  readonly path?: string;
}

/** One rule. All that it names must match. */
export interface PolicyRule extends Rule {
  readonly operators: readonly Glob[];
  /** Empty: however it was proved. */
  readonly by: readonly ProofKind[];
  /** As written; `undefined` if it was left out. */
  readonly upstreams: readonly Glob[] | undefined;
}

/** What this server's own services are called in the rules, and upstreams after a slash. */
const OWN = "server";
const NO_LABELS = Object.freeze({});

/** The rules of one version of a file. */
export class Policy {
  readonly rules: readonly PolicyRule[];
  readonly #grants = new Map<string, RuleGrant>();

  constructor(rules: readonly PolicyRule[]) {
    this.rules = rules;
  }

  allows(caller: VouchedCaller, { upstream, path }: Called): boolean {
    const grant = this.#grantOf(caller);
    const target = { name: upstream === "" ? OWN : `${OWN}/${upstream}`, labels: NO_LABELS };
    return path === undefined ? grant.mayCallAll(target) : grant.mayCall(target, path);
  }

  /** Whether there is anything of this server's own services that somebody may call. */
  knows(caller: VouchedCaller): boolean {
    return this.#grantOf(caller).maySee({ name: OWN, labels: NO_LABELS });
  }

  #grantOf({ operator, how }: VouchedCaller): RuleGrant {
    // No proof has a space.
    const key = `${how} ${operator}`;
    let grant = this.#grants.get(key);
    if (grant === undefined) {
      if (this.#grants.size >= MAX_CALLERS) this.#grants.clear();
      grant = new RuleGrant(
        this.rules.filter(({ operators, by }) =>
          operators.some((one) => one.matches(operator)) && (by.length === 0 || by.includes(how))
        ),
      );
      this.#grants.set(key, grant);
    }
    return grant;
  }
}

/** A policy file that was read. */
export interface LoadedPolicy extends LoadedFile {
  readonly policy: Policy;
}

/** @throws {Error} That tells all that is wrong with it, and where. */
export function* loadPolicy(
  path: string,
  parse: (text: string) => Steps<Policy> = (text) => policySteps(path, text),
): Steps<LoadedPolicy> {
  const text = readPolicyFile(path);
  return { policy: yield* parse(text), fingerprint: fingerprintOf(text) };
}

/** Of what is on disk now. */
export function policyFingerprint(path: string): string {
  return fingerprintOf(readPolicyFile(path));
}

/**
 * Reads a policy file's text.
 *
 * @param path For messages.
 * @throws {FaultyFileError} That tells all faults with their places.
 */
export function parsePolicy(path: string, text: string): Policy {
  return atOnce(policySteps(path, text));
}

/** The same in small steps, for a caller that must serve others meanwhile. */
export function policySteps(path: string, text: string): Steps<Policy> {
  return readYamlFile(path, text, function* (root) {
    const { version, rules } = root.fields("version", "rules");
    readVersion(root, version);
    if (rules === undefined) root.fault("must have rules: without one nobody may call anything");
    return new Policy(yield* readEach(rules?.items() ?? [], readRule));
  });
}

function readRule(element: YamlElement): PolicyRule {
  const { operators, by, upstreams, methods, effect } = element.fields(
    "operators",
    "by",
    "upstreams",
    "methods",
    "effect",
  );
  requireFields(element, { operators, methods, effect });
  const what = readEffectAndMethods({ effect, methods });
  const reading = readingOf(what);
  const named = upstreams === undefined ? undefined : readGlobs(upstreams, reading);
  return {
    ...what,
    operators: operators === undefined ? [] : readGlobs(operators, reading),
    by: by?.oneOrMore().map((one) => one.choice(PROOFS, "token")) ?? [],
    upstreams: named,
    servers: named?.map(asTarget) ?? [glob(OWN)],
    labels: new Map(),
  };
}

/** An upstream's pattern as one of targets. */
function asTarget({ pattern, matches }: Glob): Glob {
  const prefix = `${OWN}/`;
  return {
    pattern,
    matches: (name) => name.startsWith(prefix) && matches(name.slice(prefix.length)),
  };
}

function readPolicyFile(path: string): string {
  return readRulesFile(path, { what: "policy file", maxBytes: MAX_POLICY_FILE_BYTES });
}

function fingerprintOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
