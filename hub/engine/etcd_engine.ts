/**
 * etcd as the engine of a cluster: docs/decisions/0026-etcd.md, and 0027 why the client is our own.
 *
 * | here            | there                                                    |
 * | --------------- | -------------------------------------------------------- |
 * | session         | a lease; its id is chosen here, below 2⁵³                 |
 * | commit          | Txn                                                      |
 * | read            | Range, linearizable                                      |
 * | watch           | Watch; progress notices are not asked for (etcd#15220)   |
 *
 * @module
 */
import type {
  etcdserverpb_Compare as Compare,
  etcdserverpb_LeaseKeepAliveResponse as LeaseKeepAliveResponse,
  etcdserverpb_RangeRequest as RangeRequest,
  etcdserverpb_RangeResponse as RangeResponse,
  etcdserverpb_RequestOp as RequestOp,
  etcdserverpb_TxnResponse as TxnResponse,
  etcdserverpb_WatchResponse as WatchResponse,
  mvccpb_KeyValue as KeyValue,
} from "../../shared/gen/types.ts";
import {
  type Commit,
  type Condition,
  endOf,
  type Engine,
  EngineError,
  type EngineReadOptions,
  type KeyChange,
  type KeyEntry,
  MAX_ENTRIES,
  type Page,
  type Txn,
  type Write,
} from "./engine.ts";
import { EtcdLink, type EtcdLinkOptions } from "./etcd_link.ts";

/** An engine that is a cluster of etcd, or one member. */
export class EtcdEngine implements Engine {
  readonly #link: EtcdLink;

  constructor(options: EtcdLinkOptions) {
    this.#link = new EtcdLink(options);
  }

  /** The member that answers now, `host:port`. */
  get member(): string | undefined {
    return this.#link.member;
  }

  async session(ttlMs: number): Promise<string> {
    const session = newSession();
    const request = { TTL: Math.max(1, Math.ceil(ttlMs / 1000)), ID: Number.parseInt(session, 16) };
    await this.#link.call("etcdserverpb.Lease/LeaseGrant", request, { repeatable: false });
    return session;
  }

  async renew(session: string): Promise<boolean> {
    const { TTL = 0 } = await this.#link.call<LeaseKeepAliveResponse>(
      "etcdserverpb.Lease/LeaseKeepAlive",
      { ID: Number.parseInt(session, 16) },
      { repeatable: true },
    );
    return TTL > 0;
  }

  async revoke(session: string): Promise<void> {
    try {
      const request = { ID: Number.parseInt(session, 16) };
      await this.#link.call("etcdserverpb.Lease/LeaseRevoke", request, { repeatable: true });
    } catch (error) {
      if (!(error instanceof EngineError && error.fault === "no session")) throw error;
    }
  }

  async commit({ conditions, writes, otherwise = [] }: Txn): Promise<Commit> {
    const response = await this.#link.call<TxnResponse>("etcdserverpb.KV/Txn", {
      compare: conditions.map(compareOf),
      success: writes.map(operationOf),
      failure: otherwise.map((key): RequestOp => ({ requestRange: { key: bytes(key) } })),
    }, { repeatable: false });
    const revision = response.header?.revision ?? 0;
    if (response.succeeded) return { ok: true, revision };
    const now = (response.responses ?? []).map(({ responseRange }) => {
      const [found] = responseRange?.kvs ?? [];
      return found && entryOf(found);
    });
    return { ok: false, revision, now };
  }

  async read(
    prefix: string,
    { after, limit = MAX_ENTRIES, at }: EngineReadOptions = {},
  ): Promise<Page> {
    const request: RangeRequest = {
      key: bytes(after === undefined ? prefix : `${after}\0`),
      rangeEnd: bytes(endOf(prefix)),
      limit: Math.min(limit, MAX_ENTRIES),
      ...(at !== undefined && { revision: at }),
    };
    const response = await this.#link.call<RangeResponse>("etcdserverpb.KV/Range", request, {
      repeatable: true,
    });
    return {
      entries: (response.kvs ?? []).map(entryOf),
      revision: at ?? response.header?.revision ?? 0,
      more: response.more ?? false,
      engine: String(response.header?.clusterId ?? 0),
    };
  }

  async *watch(
    prefix: string,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly KeyChange[], void, undefined> {
    const createRequest = {
      key: bytes(prefix),
      rangeEnd: bytes(endOf(prefix)),
      startRevision: from,
      fragment: true,
    };
    const name = "etcdserverpb.Watch/Watch";
    const answers = await this.#link.stream<WatchResponse>(name, { createRequest }, signal);
    for await (const { events = [], canceled, compactRevision = 0, cancelReason } of answers) {
      if (compactRevision > 0) {
        throw new EngineError("compacted", `Revision ${from} is no longer kept`);
      }
      if (canceled) {
        const denied = /permission|auth/.test(cancelReason ?? "");
        throw new EngineError(denied ? "denied" : "away", `etcd ended the watch: ${cancelReason}`);
      }
      if (events.length > 0) {
        yield events.map(({ type, kv = {} }): KeyChange => {
          const { key, value, revision } = entryOf(kv);
          return { key, value: type === "DELETE" ? undefined : value, revision };
        });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#link[Symbol.asyncDispose]();
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const bytes = (text: string): Uint8Array => encoder.encode(text);

/** 52 bits at random: a number of JavaScript, and above 0. */
function newSession(): string {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return ((high % 2 ** 20) * 2 ** 32 + low || 1).toString(16).padStart(13, "0");
}

function entryOf({ key, value, modRevision = 0 }: KeyValue): KeyEntry {
  return {
    key: decoder.decode(key),
    value: value?.slice() ?? new Uint8Array(),
    revision: modRevision,
  };
}

function compareOf(condition: Condition): Compare {
  const key = bytes(condition.key);
  return "exists" in condition
    ? { key, target: "MOD", result: "GREATER", modRevision: 0 }
    : { key, target: "MOD", result: "EQUAL", modRevision: condition.revision };
}

function operationOf(write: Write): RequestOp {
  if ("put" in write) {
    const { put, value, session } = write;
    return {
      requestPut: {
        key: bytes(put),
        value,
        ...(session !== undefined && { lease: Number.parseInt(session, 16) }),
      },
    };
  }
  return {
    requestDeleteRange: {
      key: bytes(write.delete),
      ...(write.before !== undefined && { rangeEnd: bytes(write.before) }),
    },
  };
}
