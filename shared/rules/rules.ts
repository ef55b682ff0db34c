/**
 * What an operator may do: rules of servers × methods, written in a hub's auth file or in a server's
 * own policy file.
 *
 * | a call of a method  | is allowed if an `allow` rule matches and no `deny` rule does            |
 * | ------------------- | ------------------------------------------------------------------------ |
 * | raw, CONNECT        | as a call of every method: the hub cannot see which ones will be called  |
 * | to see a server     | if at least one allow rule is about it, and no deny rule takes all of it |
 *
 * Where a mistake is possible, `allow` is read narrowly and `deny` widely: deny ignores case (some
 * gRPC servers do, and no name of a server has a capital letter), and a denied server's upstreams are
 * denied as well.
 *
 * @module
 */
import { anyMatches, type Glob } from "./glob.ts";

/** What a rule looks at. */
export interface RuleTarget {
  /** A server's, or `server/upstream`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** One rule. All that it names must match. */
export interface Rule {
  readonly effect: "allow" | "deny";
  readonly servers: readonly Glob[];
  /** Label → patterns, one of which must match. */
  readonly labels: ReadonlyMap<string, readonly Glob[]>;
  readonly methods: readonly Glob[];
}

/** What somebody may do. */
export interface Grant {
  /** All methods of all servers: nothing needs to be looked at. */
  readonly everything: boolean;
  maySee(server: RuleTarget): boolean;
  /** @param path `/package.Service/Method`, as the caller sent it. */
  mayCall(server: RuleTarget, path: string): boolean;
  /** Also what the hub cannot look into. */
  mayCallAll(server: RuleTarget): boolean;
  /** Why not: which kind of rule decides. An empty path stands for what the hub cannot look into. */
  whyNot(server: RuleTarget, path: string): WhyNot;
}

/** Either is enough for a refusal. */
export type WhyNot = "a deny rule forbids it" | "no allow rule permits it";

/** Of those who are bound by no file. */
export const EVERYTHING: Grant = {
  everything: true,
  maySee: () => true,
  mayCall: () => true,
  mayCallAll: () => true,
  whyNot: () => "no allow rule permits it",
};

/** Of those whose entry has gone. */
export const NOTHING: Grant = {
  everything: false,
  maySee: () => false,
  mayCall: () => false,
  mayCallAll: () => false,
  whyNot: () => "no allow rule permits it",
};

/**
 * The only form of a path that rules are compared with. `//a.B/C`, `/a.B/C?x`, `/a.B/%43` and the
 * like mean something to some servers and nothing to others: nobody who is bound by rules sends them.
 */
const PLAIN_PATH = /^\/[A-Za-z0-9_.]{1,255}\/[A-Za-z0-9_]{1,255}$/;
const MAX_PATH_LENGTH = 512;

/** Decisions remembered for one server's registration; a caller that invents methods makes it start again. */
const MAX_REMEMBERED = 1_000;

/** The grant of a list of rules. */
export class RuleGrant implements Grant {
  readonly everything = false;
  readonly #allow: readonly Rule[];
  readonly #deny: readonly Rule[];
  /** A registration's labels are one object for as long as it lives. */
  readonly #decisions = new WeakMap<RuleTarget["labels"], Map<string, boolean>>();

  constructor(rules: readonly Rule[]) {
    this.#allow = rules.filter(({ effect }) => effect === "allow");
    this.#deny = rules.filter(({ effect }) => effect === "deny");
  }

  maySee(server: RuleTarget): boolean {
    return this.#remember(server, "", () =>
      this.#allow.some((rule) => isAbout(rule, server)) &&
      !this.#deny.some((rule) => isAbout(rule, server) && takesAll(rule)));
  }

  mayCall(server: RuleTarget, path: string): boolean {
    if (path.length > MAX_PATH_LENGTH) return this.mayCallAll(server);
    return this.#remember(
      server,
      path,
      () =>
        isPlain(path)
          ? this.#allow.some((rule) => isAbout(rule, server) && takes(rule, path)) &&
            !this.#deny.some((rule) => isAbout(rule, server) && takes(rule, path))
          : this.mayCallAll(server),
    );
  }

  mayCallAll(server: RuleTarget): boolean {
    return this.#remember(
      server,
      "*",
      () =>
        this.#allow.some((rule) => isAbout(rule, server) && takesAll(rule)) &&
        !this.#deny.some((rule) => isAbout(rule, server)),
    );
  }

  whyNot(server: RuleTarget, path: string): WhyNot {
    const denied = this.#deny.some((rule) =>
      isAbout(rule, server) && (!isPlain(path) || takes(rule, path))
    );
    return denied ? "a deny rule forbids it" : "no allow rule permits it";
  }

  #remember({ name, labels }: RuleTarget, what: string, decide: () => boolean): boolean {
    let known = this.#decisions.get(labels);
    if (known === undefined || known.size > MAX_REMEMBERED) {
      this.#decisions.set(labels, known = new Map());
    }
    // No name has a space.
    const key = `${name} ${what}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const decision = decide();
    known.set(key, decision);
    return decision;
  }
}

function isPlain(path: string): boolean {
  return path.length <= MAX_PATH_LENGTH && PLAIN_PATH.test(path);
}

function isAbout({ effect, servers, labels }: Rule, server: RuleTarget): boolean {
  if (!anyMatches(servers, server.name)) {
    const [parent = "", upstream] = server.name.split("/");
    if (effect === "allow" || upstream === undefined || !anyMatches(servers, parent)) return false;
  }
  for (const [key, patterns] of labels) {
    const value = Object.hasOwn(server.labels, key) ? server.labels[key] : undefined;
    if (value === undefined || !anyMatches(patterns, value)) return false;
  }
  return true;
}

function takes({ methods }: Rule, path: string): boolean {
  return methods.some((method) => isAll(method) || method.matches(path));
}

function takesAll({ methods }: Rule): boolean {
  return methods.some(isAll);
}

/** Patterns that stand for every method; `*` is the one that people write. */
function isAll({ pattern }: Glob): boolean {
  return pattern === "*" || pattern === "**";
}
