/**
 * Lets enrolled servers in by their own tokens (enrolment.ts), and asks another Auth about all others.
 *
 *     token of an enrolled server ─▶ its own name, its own labels      else ─▶ the other one
 *
 * From the moment of its enrolment a name is out of reach for the join token: a site that holds the
 * join token cannot take the name of another site. One that has registered this name with the join
 * token before goes on until its own token has arrived and is used for the first time. Which ones
 * have used theirs is kept in a file, because a restart must not open that door again.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { createHash } from "node:crypto";
import { Complaint } from "../../shared/async/complaint.ts";
import { atOnce, inTurns, type Steps } from "../../shared/async/steps.ts";
import { WatchedFolder } from "../../shared/files/watched_folder.ts";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { Grant } from "../../shared/rules/rules.ts";
import {
  after,
  type Answer,
  type Auth,
  type CallRequest,
  type Identity,
  type Operator,
  type TunnelRequest,
} from "./identity.ts";
import { ERROR_DOMAIN } from "../errors.ts";
import type { Refusal } from "../registry/refusal.ts";
import { bearerToken } from "./bearer.ts";
import {
  type Enrolled,
  enrolledFolder,
  enrolledNames,
  MAX_ENROLLED,
  readEnrolled,
} from "./enrolment.ts";
import { admit } from "./file_auth.ts";
import { JOIN_TOKEN } from "./hub_tokens.ts";

/** One name a line: enrolled servers that have used their own token. */
const USED_FILE = "enrolled.used";

interface Known {
  readonly entry: Enrolled["entry"];
  readonly expiresAtMs: number | undefined;
}

/** What a look at the folder has found. */
interface Loaded {
  readonly changed: boolean;
  /** Of each file that cannot be used. */
  readonly faults: readonly string[];
}

export interface EnrolledAuthOptions {
  /** By whose credential a name was registered last: `Tunnel.owner`. @default nobody's */
  readonly ownerOf?: ((name: string) => string | undefined) | undefined;
  /** Other workers of this process note as well who has used its token. @default false */
  readonly isJoint?: boolean;
  /** @default once a second */
  readonly pollMs?: number | undefined;
}

/** Lets enrolled servers in by their own tokens, and asks another `Auth` about all others. */
export class EnrolledAuth implements Auth {
  readonly #other: Auth;
  readonly #stateDir: string;
  readonly #ownerOf: (name: string) => string | undefined;
  readonly #watch: WatchedFolder;
  readonly #listeners = new Set<() => void>();
  readonly #complaint = new Complaint();
  #used: Set<string>;
  readonly #isJoint: boolean;
  #loading: Promise<unknown> = Promise.resolve();
  #closed = false;
  #entries = new Map<string, Enrolled>();
  #byHash = new Map<string, Known>();

  constructor(other: Auth, stateDir: string, options: EnrolledAuthOptions = {}) {
    const { pollMs, ownerOf = () => undefined, isJoint = false } = options;
    this.#isJoint = isJoint;
    this.#other = other;
    this.#ownerOf = ownerOf;
    this.#stateDir = stateDir;
    this.#used = readUsed(stateDir);
    this.#watch = new WatchedFolder(enrolledFolder(stateDir), {
      onChange: () => void this.#read(),
      pollMs,
    });
    this.#complainOf(() => atOnce(this.#load()));
  }

  authorizeTunnel(request: TunnelRequest): Answer<Identity | Refusal> {
    const known = this.#knownBy(request.header("authorization") ?? undefined);
    if (known !== undefined) return this.#authorize(known, request);
    return after(
      this.#other.authorizeTunnel(request),
      (answer) => this.#isTaken(answer, request) ? takenRefusal(request.info.name) : answer,
    );
  }

  authorizeCall(request: CallRequest): Answer<Operator | RpcError> {
    const known = this.#knownBy(request.authorization);
    if (known === undefined) return this.#other.authorizeCall(request);
    const message =
      "Wrong kind of token: it is the token of a server, and operators need their own";
    return new RpcError(Status.PERMISSION_DENIED, message, {
      details: [errorInfo("CREDENTIAL_NOT_FOR_THIS", ERROR_DOMAIN)],
    });
  }

  grantOf(operator: string): Grant {
    return this.#other.grantOf(operator);
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
    this.#other.onChange(listener);
  }

  async look(): Promise<boolean> {
    const changed = await this.#other.look?.() ?? false;
    const { changed: enrolled, faults } = await this.#loadInTurns();
    if (faults.length > 0) throw new Error(faults.join("; "));
    return changed || enrolled;
  }

  close(): void {
    this.#closed = true;
    this.#watch[Symbol.dispose]();
    this.#other.close();
  }

  #knownBy(authorization: string | undefined): Known | undefined {
    if (this.#byHash.size === 0 || authorization === undefined) return undefined;
    const token = bearerToken(authorization);
    if (token === undefined) return undefined;
    return this.#byHash.get(createHash("sha256").update(token).digest("hex"));
  }

  #authorize({ entry, expiresAtMs }: Known, { info }: TunnelRequest): Identity | Refusal {
    if (expiresAtMs !== undefined && expiresAtMs <= Date.now()) {
      const message = `This token of "${entry.id}" has expired: give it the new one`;
      return { status: 401, code: "UNAUTHENTICATED", message };
    }
    const proof = { entry, how: "token", values: new Map<string, string>() } as const;
    const answer = admit(
      expiresAtMs === undefined ? proof : { ...proof, expiresAtMs },
      info,
    );
    if (!("status" in answer)) {
      this.#note(entry.id);
      return answer;
    }
    const [server] = info.name.split("/");
    if (server === entry.id) return answer;
    const message = `${answer.message}: this token is for ${entry.id} (gserver serve ${entry.id})`;
    return { ...answer, message };
  }

  /** Whether this is the join token, and the name that of an enrolled server with its own. */
  #isTaken(answer: Identity | Refusal, { info: { name } }: TunnelRequest): boolean {
    if ("status" in answer || answer.name !== JOIN_TOKEN || answer.how !== "token") return false;
    const [server = ""] = name.split("/");
    if (!this.#entries.has(server)) return false;
    // Another worker may have noted it. It is asked seldom: by servers that still have the join token.
    if (this.#isJoint && !this.#used.has(server)) this.#used = readUsed(this.#stateDir);
    return this.#used.has(server) || this.#ownerOf(server) !== JOIN_TOKEN;
  }

  #note(name: string): void {
    if (this.#used.has(name)) return;
    this.#used.add(name);
    try {
      const path = `${this.#stateDir}/${USED_FILE}`;
      Deno.writeTextFileSync(path, `${name}\n`, { append: true, mode: 0o600 });
    } catch (error) {
      const text = "Cannot note that {name} has used its own token: {error}";
      getLogger(["hub", "auth"]).warn(text, { name, error });
    }
  }

  async #read(): Promise<void> {
    try {
      const loaded = await this.#loadInTurns();
      this.#complainOf(() => loaded);
    } catch (error) {
      this.#complainOf(() => {
        throw error;
      });
    }
  }

  #complainOf(loaded: () => Loaded): void {
    const log = getLogger(["hub", "auth"]);
    try {
      const message = saidBriefly(loaded().faults);
      if (message === "") this.#complaint.settle();
      else if (this.#complaint.isDue(message)) {
        log.error("Enrolled servers that cannot be used: {message}", { message });
      }
    } catch (error) {
      log.error("Cannot read who is enrolled: {error}", { error });
    }
  }

  /** One after the other: each begins with what the one before has found. */
  #loadInTurns(): Promise<Loaded> {
    const loading = this.#loading.then(() => inTurns(this.#load()));
    this.#loading = loading.catch(() => {});
    return loading;
  }

  /** A file that is broken leaves its server as it was before. */
  *#load(): Steps<Loaded> {
    const faults: string[] = [];
    const entries = new Map<string, Enrolled>();
    for (const name of enrolledNames(this.#stateDir)) {
      const before = this.#entries.get(name);
      try {
        entries.set(name, readEnrolled(this.#stateDir, name, before));
      } catch (error) {
        faults.push((error as Error).message);
        if (before !== undefined) entries.set(name, before);
      }
      yield;
    }
    const changed = entries.size !== this.#entries.size ||
      [...entries].some(([name, entry]) => this.#entries.get(name) !== entry);
    if (!changed || this.#closed) return { changed: false, faults };
    this.#entries = entries;
    this.#byHash = byHash(entries.values());
    const { size: count } = entries;
    const text = count === 1 ? "1 server is enrolled" : "{count} servers are enrolled";
    getLogger(["hub", "auth"]).info(text, { count });
    for (const listener of this.#listeners) listener();
    return { changed, faults };
  }
}

/** A log line is no list of thousands. */
function saidBriefly(faults: readonly string[]): string {
  const [first = "", ...more] = faults;
  const [line = ""] = first.split("\n").map((part) => part.trim()).slice(-1);
  return more.length === 0 ? line : `${line}; and ${more.length} more`;
}

function byHash(entries: Iterable<Enrolled>): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const { entry } of entries) {
    for (const { sha256, expiresAtMs } of entry.tokens) known.set(sha256, { entry, expiresAtMs });
  }
  return known;
}

function takenRefusal(name: string): Refusal {
  return {
    status: 403,
    code: "PERMISSION_DENIED",
    message: `"${name}" is enrolled with a token of its own: the join token cannot register it`,
    who: JOIN_TOKEN,
  };
}

function readUsed(stateDir: string): Set<string> {
  try {
    const text = Deno.readTextFileSync(`${stateDir}/${USED_FILE}`);
    return new Set(text.split("\n").filter((line) => line !== "").slice(-MAX_ENROLLED));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Set();
    throw error;
  }
}
