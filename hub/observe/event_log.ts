/**
 * What happened at the hub, told to those who watch (`activity_feed.ts`), to the audit, and to the log.
 *
 *                       activity           audit          log
 *     server refused    SERVER_REFUSED     registration   warn
 *     server came       SERVER_REGISTERED  registration   info
 *     server left       SERVER_LEFT                       info
 *     name fought for   SERVER_FLAPPING                   error
 *     call ended        CALL_ENDED         call
 *     raw opened        RAW_OPENED
 *     raw ended         RAW_ENDED          raw
 *     many refused      the same           one line   warn
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusCode, type StatusName, statusName } from "../../shared/grpc/status.ts";
import type { SharedTally } from "../../shared/memory/shared_tally.ts";
import type { Http2Error } from "../../shared/http2/frames.ts";
import { safeJson } from "../../shared/text/safe_json.ts";
import type { ActivityFeed } from "./activity_feed.ts";
import type { Audit, AuditRecord } from "../audit/record.ts";
import type { Identity } from "../auth/identity.ts";
import type { RawRecord } from "../calls/call_listener.ts";
import type { RelayedCall } from "../relay/relayed_call.ts";
import type { RawResult } from "../calls/raw_connection.ts";
import { type Refused, RefusedLines, type RefusedSum } from "./refused_lines.ts";
import type { RegistryEvent } from "../registry/registry.ts";
import type { CallHeaders } from "../access/call_head.ts";
import type { Tunnel } from "../registry/tunnel.ts";
import type { RefusedServer } from "../tunnels/tunnel_listener.ts";

/** More of a method's name is not written down: only strangers send such. */
const MAX_METHOD = 256;

export interface JournalOptions {
  readonly activity: ActivityFeed;
  readonly audit: Audit;
  nextId(): string;
  /** Set where several workers of one process tell what happens. @default it is alone */
  readonly joint?: JointLog | undefined;
}

/** What workers of one process have together. */
export interface JointLog {
  /** See `RefusedLinesOptions.joint`. */
  readonly refusedLines: SharedTally;
}

/** Tells the audit, the activity feed and the log what happened. Nothing here waits or throws. */
export class EventLog {
  readonly #activity: ActivityFeed;
  readonly #audit: Audit;
  readonly #nextId: () => string;
  /** Hubs between which a call is forwarded are one to everybody else. */
  readonly #isWorker: boolean;
  readonly #refused: RefusedLines;

  constructor({ activity, audit, nextId, joint }: JournalOptions) {
    this.#isWorker = joint !== undefined;
    this.#refused = new RefusedLines({
      onSum: (sum) => this.#refusedOften(sum),
      joint: joint?.refusedLines,
    });
    this.#activity = activity;
    this.#audit = audit;
    this.#nextId = nextId;
  }

  /** To be called once a second. */
  tick(): void {
    this.#refused.tick();
  }

  /** Tells what was summed up until now; to be called before the audit's end. */
  close(): void {
    this.#refused.flush();
  }

  serverRefused(
    { peer, server, labels, who }: RefusedServer,
    { code, message: reason }: { readonly code: string; readonly message: string },
  ): void {
    const status = code in Status ? code as StatusName : "INVALID_ARGUMENT";
    if (!this.#refused.take({ kind: "registration", who, peer, status, reason })) return;
    this.#activity.publish({ kind: "SERVER_REFUSED", server, peer, reason });
    // What was refused before it said its name has none.
    const what = server === "" ? "a connection" : "server {server}";
    getLogger(["hub", "tunnel"]).warn(`Refused ${what} from {peer}: {reason}`, {
      server,
      peer,
      reason,
    });
    const id = this.#nextId();
    this.#audit.record({
      kind: "registration",
      who,
      peer,
      server,
      ...(labels !== undefined && { labels }),
      status,
      reason,
      id,
    });
  }

  serverRegistered({ id, info }: Tunnel, { name, subject }: Identity): void {
    this.#audit.record({
      kind: "registration",
      who: name,
      ...(subject !== undefined && { subject }),
      peer: info.remoteAddress,
      server: info.name,
      labels: info.labels,
      status: "OK",
      id,
    });
  }

  registryChanged(event: RegistryEvent): void {
    const log = getLogger(["hub", "registry"]);
    if (event.type === "flapping") {
      const { holder: { name, remoteAddress }, displaced, turns } = event;
      const reason = `${remoteAddress} and ${displaced.remoteAddress} both claim the name`;
      this.#activity.publish({ kind: "SERVER_FLAPPING", server: name, reason });
      const details = { name, reason, turns };
      log.error('Server "{name}" is there twice: {reason}, {turns} turns in a minute', details);
      return;
    }
    const { id, info: { name, remoteAddress } } = event.tunnel;
    const what = { server: name, peer: remoteAddress, id };
    if (event.type === "added") {
      this.#activity.publish({ kind: "SERVER_REGISTERED", ...what });
      log.info('Server "{name}" registered from {remoteAddress}', { name, remoteAddress });
    } else {
      const { reason } = event.reason;
      this.#activity.publish({ kind: "SERVER_LEFT", ...what, reason });
      log.info('Server "{name}" left: {reason}', { name, reason });
    }
  }

  callRefused(head: CallHeaders, peer: string, { code, message: reason }: RpcError): void {
    const status = statusName(code);
    if (!this.#refused.take({ kind: "call", who: "", peer, status, reason })) return;
    const method = methodOf(head);
    const record = { peer, method, id: this.#nextId(), reason };
    this.#activity.publish({ kind: "CALL_ENDED", ...record, status: code });
    this.#audit.record({ kind: "call", who: "", server: "", ...record, status });
  }

  /** A caller broke HTTP/2, or asked too much: its connection is closed. */
  callerBroke(peer: string, error: Http2Error): void {
    const reason = error.message;
    if (!this.#refused.take({ kind: "connection", who: "", peer, status: "UNKNOWN", reason })) {
      return;
    }
    getLogger(["hub", "relay"]).info("Caller {peer} broke HTTP/2: {error}", { peer, error });
  }

  /** Whoever dialled the port for other hubs has not proven to be one. */
  linkRefused(peer: string, reason: string): void {
    if (this.#isWorker) return;
    if (!this.#refused.take({ kind: "connection", who: "", peer, status: "UNKNOWN", reason })) {
      return;
    }
    getLogger(["hub", "links"]).warn("Refused a link from {peer}: {reason}", { peer, reason });
  }

  callEnded(call: RelayedCall, status: StatusCode, reason: string): void {
    // The worker to which the caller is connected tells it.
    if (this.#isWorker && call.isForwarded) return;
    const { server, head, bytesUp, bytesDown } = call;
    const durationUs = Math.round((performance.now() - call.startedMs) * 1e3);
    const id = call.id ?? this.#nextId();
    const peer = call.remoteAddress;
    const method = methodOf(head);
    const { from, via } = call;
    // Each call comes here: literals, since spreading costs ten times as much. Whoever watches hears of
    // a forwarded call from the hub where its caller is.
    if (from === undefined) {
      this.#activity.publish({
        kind: "CALL_ENDED",
        server,
        peer,
        method,
        status,
        durationMs: durationUs / 1e3,
        bytesUp,
        bytesDown,
        reason,
        id,
      });
    }
    const why = reason === "" ? "" : `,"reason":${safeJson(reason)}`;
    const hub = from !== undefined
      ? `,"from":${safeJson(from)}`
      : via !== undefined && !this.#isWorker
      ? `,"via":${safeJson(via)}`
      : "";
    this.#audit.recordJson(
      `${whatOf(call)},"status":"${statusName(status)}","bytesUp":${bytesUp},` +
        `"bytesDown":${bytesDown},"durationMs":${millis(durationUs)}${why}${hub},"id":"${id}"}`,
    );
  }

  rawRefused(
    { id, server, remoteAddress: peer, who }: Omit<RawRecord, "identity"> & {
      readonly who: string;
    },
    { code, message: reason }: RpcError,
  ): void {
    const status = statusName(code);
    if (who === "" && !this.#refused.take({ kind: "raw", who, peer, status, reason })) return;
    this.#activity.publish({ kind: "RAW_ENDED", server, peer, id, status: code, reason });
    this.#audit.record({ kind: "raw", who, peer, server, status, reason, id });
  }

  rawOpened({ id, server, remoteAddress: peer }: RawRecord): void {
    this.#activity.publish({ kind: "RAW_OPENED", server, peer, id });
  }

  rawEnded(
    { id, server, remoteAddress: peer, identity: { name, subject }, via }: RawRecord,
    { status, reason, ...rest }: RawResult & { readonly durationMs: number },
  ): void {
    const numbers = { ...rest, durationMs: rounded(rest.durationMs) };
    this.#activity.publish({ kind: "RAW_ENDED", server, peer, id, status, reason, ...numbers });
    this.#audit.record({
      kind: "raw",
      who: name,
      ...(subject !== undefined && { subject }),
      peer,
      server,
      ...numbers,
      status: statusName(status),
      ...(reason !== "" && { reason }),
      ...(via !== undefined && !this.#isWorker && { via }),
      id,
    });
  }

  #refusedOften({ sinceMs, times, ...refused }: RefusedSum): void {
    const { kind, who, peer, status, reason } = refused;
    const since = new Date(sinceMs).toISOString();
    const often = `${times} more since ${since}: ${reason}`;
    getLogger(["hub", "refused"]).warn("Refused {what} of {from}, {often}", {
      what: `${kind}s`,
      from: who === "" ? peer || "others" : `"${who}" at ${peer}`,
      often,
    });
    if (kind === "connection") return;
    const event = { peer, status: Status[status], reason: often };
    this.#activity.publish({ kind: ACTIVITY_OF[kind], ...event });
    this.#audit.record({
      kind,
      who,
      peer,
      server: "",
      status,
      reason,
      times,
      since,
      id: this.#nextId(),
    });
  }
}

/** What each kind of refusal is to those who watch. */
const ACTIVITY_OF = {
  call: "CALL_ENDED",
  raw: "RAW_ENDED",
  registration: "SERVER_REFUSED",
} as const satisfies Record<Exclude<Refused["kind"], "connection">, string>;

/**
 * The beginning of a call's audit record. Callers repeat their calls, and with them the head: making
 * the whole record again costs a twentieth of what a call costs.
 */
function whatOf(
  { head, server, identity: { name: who, subject }, remoteAddress: peer }: RelayedCall,
) {
  const known = head.audited;
  if (known?.server === server && known.who === who && known.subject === subject) return known.text;
  const record: Omit<AuditRecord, "status" | "id"> = {
    kind: "call",
    who,
    subject,
    peer,
    server,
    method: methodOf(head),
  };
  const text = safeJson(record).slice(1, -1);
  head.audited = { server, who, subject, text };
  return text;
}

function methodOf({ path }: CallHeaders): string {
  return path.length > MAX_METHOD ? path.slice(0, MAX_METHOD) : path;
}

/** The decimals of each number of microseconds below a millisecond. */
const DECIMALS: readonly string[] = Array.from(
  { length: 1000 },
  (_, us) => us === 0 ? "" : `.${String(us).padStart(3, "0")}`,
);

/** Microseconds as milliseconds, `12.040`: V8 takes longer to write a fraction than to add strings. */
function millis(us: number): string {
  return `${Math.trunc(us / 1000)}${DECIMALS[us % 1000]}`;
}

/** To microseconds. */
function rounded(ms: number): number {
  return Math.round(ms * 1e3) / 1e3;
}
