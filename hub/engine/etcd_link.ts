/**
 * The one connection that a hub has to etcd, and which member it goes to.
 *
 *     call ──▶ link to a member ──2 s without an answer, or lost──▶ link to the next member
 *
 * - Any answer is a sign of life. The hub renews its session every three seconds, so nothing else has to
 *   ask for one: etcd ends a connection that sends pings more often than every five seconds.
 * - Calls say `hasleader`: a member that is cut off from the others refuses them at once, and ends its
 *   watches.
 * - A call is made again at the next member only if it certainly was not delivered, or may be made twice.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { formatHostPort, type HostPort } from "../../shared/cli/parse_host_port.ts";
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { decodeMessage, encodeMessage, methodOf, methodPath } from "../../shared/grpc/service.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { Channel } from "../../shared/grpc_client/channel.ts";
import type { ClientCall } from "../../shared/grpc_client/client_call.ts";
import { EngineError, type EngineFault } from "./engine.ts";
import { etcdRoot } from "./etcd_root.ts";
import { dialEtcd, type EtcdTlsFiles } from "./etcd_dial.ts";

/** How long a member has for a connection, and for an answer. */
export const CALL_MS = 2_000;
/** All tries of one call together. */
export const CALL_LIMIT_MS = 6_000;
/** What goes on at a member that was left may end within this time. */
const LEAVE_MS = CALL_MS;

export interface EtcdLinkOptions {
  /** At least one. */
  readonly members: readonly HostPort[];
  readonly tls?: EtcdTlsFiles | undefined;
  /** @default CALL_MS */
  readonly callMs?: number;
  /** @default CALL_LIMIT_MS */
  readonly limitMs?: number;
}

/** A connection to one member. */
interface Link {
  readonly channel: Channel;
  readonly member: string;
  /** Fires when the hub leaves it. */
  readonly left: AbortController;
}

export interface EtcdCallOptions {
  /** Whether it does no harm if it is carried out twice. */
  readonly repeatable: boolean;
}

/** A connection to etcd that goes to the next member when one fails. */
export class EtcdLink implements AsyncDisposable {
  readonly #options: EtcdLinkOptions & { readonly callMs: number; readonly limitMs: number };
  readonly #closing = new AbortController();
  readonly #leaving = new Map<Link, ReturnType<typeof setTimeout>>();
  #next = 0;
  #link: Link | undefined;
  #dialling: Promise<Link> | undefined;

  constructor(options: EtcdLinkOptions) {
    this.#options = { callMs: CALL_MS, limitMs: CALL_LIMIT_MS, ...options };
    // Hubs must not all ask the same member.
    this.#next = Math.floor(Math.random() * options.members.length);
  }

  /** The member that answers now. */
  get member(): string | undefined {
    return this.#link?.member;
  }

  /**
   * One request, one answer.
   *
   * @param name `etcdserverpb.KV/Range`.
   * @throws {EngineError} If there is no answer, or it is none that helps.
   */
  async call<T>(name: string, request: object, { repeatable }: EtcdCallOptions): Promise<T> {
    const untilMs = performance.now() + this.#options.limitMs;
    let failure: EngineError | undefined;
    const said = new Set<string>();
    for (let tries = 0; tries <= this.#options.members.length; tries++) {
      if (performance.now() > untilMs) break;
      const link = await this.#connect().catch((error) => {
        failure = error;
        said.add(error.message);
        return undefined;
      });
      if (link === undefined) continue;
      const answer = await this.#once<T>(link, name, request);
      if (!("error" in answer)) return answer.value;
      const { error, refused } = answer;
      const fault = faultOf(error);
      // A member without room is left as well: the next one may have some.
      if (fault === "away" || fault === "full") this.#leave(link, error.message);
      const unknown = fault === "away" && !refused;
      failure = new EngineError(fault, `etcd at ${link.member}: ${error.message}`, {
        cause: error,
        unknown,
      });
      if (fault !== "away" && fault !== "full" || unknown && !repeatable) throw failure;
      said.add(failure.message);
    }
    if (failure === undefined) throw new EngineError("away", "etcd did not answer in time");
    if (said.size === 1) throw failure;
    // Where two of three are lost, the third says that there is no leader: one of these is half the truth.
    const { fault, unknown } = failure;
    throw new EngineError(fault, [...said].toSorted().join("; "), { cause: failure, unknown });
  }

  /** Opens a stream of answers, which ends when the member is left. */
  async stream<T>(name: string, request: object, signal: AbortSignal): Promise<AsyncIterable<T>> {
    const link = await this.#connect();
    const { method, path } = methodFor(name);
    const ended = AbortSignal.any([signal, link.left.signal, this.#closing.signal]);
    const call = link.channel.call({ path, metadata: metadata(), signal: ended });
    await call.send(encodeMessage(method.resolvedRequestType!, request));
    const leave = (why: string) => this.#leave(link, why);
    return {
      async *[Symbol.asyncIterator]() {
        for await (const bytes of call.messages()) {
          yield decodeMessage<T>(method.resolvedResponseType!, bytes);
        }
        signal.throwIfAborted();
        const { error } = await call.ended;
        const message = error?.message ?? "the stream ended";
        const fault = error === undefined ? "away" : faultOf(error);
        if (fault === "away") leave(message);
        throw new EngineError(fault, `etcd at ${link.member}: ${message}`, { cause: error });
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    // It may have come through in this moment.
    await this.#dialling?.catch(() => {});
    const links = [...this.#leaving.keys(), ...(this.#link === undefined ? [] : [this.#link])];
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    this.#link = undefined;
    await Promise.all(links.map(({ channel }) => channel[Symbol.asyncDispose]()));
  }

  async #once<T>(
    link: Link,
    name: string,
    request: object,
  ): Promise<{ value: T } | { error: RpcError; refused: boolean }> {
    const { method, path } = methodFor(name);
    const message = encodeMessage(method.resolvedRequestType!, request);
    const call = link.channel.call({
      path,
      metadata: metadata(),
      timeoutMs: this.#options.callMs,
      signal: this.#closing.signal,
    });
    const send = async () => {
      await call.send(message);
      await call.endSending();
    };
    try {
      // Together: what cannot be read may come before all is sent.
      const [bytes] = await Promise.all([firstMessage(call), send()]);
      const { error } = await call.ended;
      if (error !== undefined) return { error, refused: call.refused };
      if (bytes === undefined) throw new RpcError(Status.INTERNAL, "An answer without a message");
      return { value: decodeMessage<T>(method.resolvedResponseType!, bytes) };
    } catch (error) {
      return { error: RpcError.from(error), refused: false };
    }
  }

  #connect(): Promise<Link> {
    if (this.#closing.signal.aborted) {
      return Promise.reject(new EngineError("away", "The engine was closed"));
    }
    if (this.#link !== undefined) return Promise.resolve(this.#link);
    this.#dialling ??= this.#dial().finally(() => this.#dialling = undefined);
    return this.#dialling;
  }

  async #dial(): Promise<Link> {
    const { members, tls, callMs: timeoutMs } = this.#options;
    const address = members[this.#next % members.length]!;
    const member = formatHostPort(address);
    try {
      const channel = await dialEtcd(address, { tls, timeoutMs, signal: this.#closing.signal });
      this.#link = { channel, member, left: new AbortController() };
      getLogger(["hub", "engine"]).debug("Connected with etcd at {member}", { member });
      return this.#link;
    } catch (error) {
      this.#next++;
      const reason = error instanceof Error ? error.message : String(error);
      throw new EngineError("away", `Cannot connect with etcd at ${member}: ${reason}`, {
        cause: error,
      });
    }
  }

  /** Goes on with the next member. What waits for an answer here may still get it. */
  #leave(link: Link, why: string): void {
    if (this.#link !== link) return;
    getLogger(["hub", "engine"]).debug("Left etcd at {member}: {why}", {
      member: link.member,
      why,
    });
    this.#link = undefined;
    this.#next++;
    link.left.abort();
    const timer = setTimeout(() => {
      this.#leaving.delete(link);
      void link.channel[Symbol.asyncDispose]();
    }, LEAVE_MS);
    Deno.unrefTimer(timer);
    this.#leaving.set(link, timer);
  }
}

function metadata(): CallMetadata {
  const metadata = new CallMetadata();
  metadata.add("hasleader", "true");
  return metadata;
}

function methodFor(name: string) {
  const method = methodOf(etcdRoot, name);
  if (method === undefined) throw new TypeError(`There is no method ${name}`);
  return { method, path: methodPath(method) };
}

async function firstMessage(call: ClientCall): Promise<Uint8Array | undefined> {
  // Not left after the first one: to leave the loop would cancel the call before its status came.
  let first: Uint8Array | undefined;
  for await (const message of call.messages()) first ??= message.slice();
  return first;
}

/** What etcd's status means for us. */
function faultOf({ code, message }: RpcError): EngineFault {
  if (/requested lease not found/.test(message)) return "no session";
  if (/has been compacted/.test(message)) return "compacted";
  if (code === Status.RESOURCE_EXHAUSTED) return "full";
  if (code === Status.PERMISSION_DENIED || code === Status.UNAUTHENTICATED) return "denied";
  if (/auth|user name is empty|permission denied/.test(message)) return "denied";
  const isOurs = code === Status.INVALID_ARGUMENT || code === Status.OUT_OF_RANGE ||
    code === Status.UNIMPLEMENTED || code === Status.NOT_FOUND;
  return isOurs ? "broken" : "away";
}
