/**
 * What the hub reads in a call's HEADERS, and what it sends on in their place.
 *
 * A caller repeats the same header block for each call, and the decoder then gives the same
 * list object: all of this is worked out once per list, not per call.
 *
 * @module
 */
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { readTimeout } from "../../shared/grpc/timeout.ts";
import { type Field, type HeaderList, headerListBytes } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { OPERATOR_FIELD, VOUCHER_FIELD } from "../../shared/vouchers/voucher.ts";
import type { KnownCaller } from "../auth/identity.ts";
import { type Wish, wishOf } from "./director.ts";
import { isProxyField } from "../auth/behind_proxy.ts";
import type { Forwarding } from "../peer/call_target.ts";
import {
  type ForwardedHead,
  type ForwardedOperator,
  isPeerField,
  peerFields,
  readPeerFields,
} from "./peer_fields.ts";
import type { CallHead } from "../registry/tunnel.ts";

/** Fields that are for the hub alone, and those that only the hub may write. */
const DROPPED: ReadonlySet<string> = new Set(["x-hub-wait", OPERATOR_FIELD, VOUCHER_FIELD]);

/** What a server is told of a caller that does not say whom it calls. */
const NO_AUTHORITY = "localhost";

/** Who sends a call: what the hub writes into it, and leaves out. */
export interface CallSender {
  /** For `x-hub-operator`. */
  readonly name: string;
  /** The credential was for the hub: the server must not see it. */
  readonly credentialUsed: boolean;
}

/** What an audit record says of a call in addition to its outcome. */
export interface AuditedCall {
  readonly server: string;
  readonly who: string;
  readonly subject: string | undefined;
  readonly text: string;
}

/** Who sends a call, as another hub is told. */
type PeerSender = CallSender & ForwardedOperator;

/** A block for another hub, and for whom and where it was made. */
interface PeerBlock {
  readonly sender: PeerSender;
  readonly forwarding: Forwarding;
  readonly bytes: Uint8Array;
}

/** How a call is sent on. */
interface SentHow {
  readonly voucher?: string | undefined;
  /** In place of the caller's. */
  readonly timeout?: string | undefined;
  readonly forwarding?: Forwarding | undefined;
}

/** A call's request, as far as the hub cares. */
export class CallHeaders implements CallHead {
  readonly fields: HeaderList;
  readonly path: string = "";
  readonly authority: string = "";
  /** `POST` with a content type of gRPC: the only calls there are. */
  readonly isGrpc: boolean;
  /** Milliseconds; `undefined` without a deadline, or with one that cannot be read. */
  readonly timeoutMs: number | undefined;
  readonly authorization: string | undefined;
  /** It came through a proxy: see `auth/behind_proxy.ts`. */
  readonly forwarded: boolean = false;
  #wish: Wish | RpcError | undefined;
  #forwardedHead: ForwardedHead | RpcError | undefined;
  /** Who was let in with it, on the connection that it came on. */
  admission: KnownCaller | undefined;
  /** The beginning of its audit record, and for which call it was made; written by the journal. */
  audited: AuditedCall | undefined;
  /** The last block, and for whom it was made. */
  #block: (CallSender & { voucher: string | undefined; bytes: Uint8Array }) | undefined;
  /** The last block for another hub: callers that use both must not make each again and again. */
  #peerBlock: PeerBlock | undefined;

  constructor(fields: HeaderList) {
    this.fields = fields;
    let method = "", contentType = "", timeout: string | undefined;
    for (const [name, value] of fields) {
      if (name === ":path") this.path = value;
      else if (name === ":authority") this.authority = value;
      else if (name === "host") this.authority ||= value;
      else if (name === ":method") method = value;
      else if (name === "content-type") contentType = value;
      else if (name === "grpc-timeout") timeout = value;
      else if (name === "authorization") this.authorization ??= value;
      else if (isProxyField(name)) this.forwarded = true;
    }
    this.isGrpc = method === "POST" && contentType.startsWith("application/grpc");
    // A timeout that cannot be read is the server's to refuse.
    this.timeoutMs = readTimeout(timeout);
  }

  /** Where the call asks to go. */
  get wish(): Wish | RpcError {
    return this.#wish ??= wishOf(this);
  }

  /** What another hub says of it; to be asked for what comes over a link only. */
  get forwardedHead(): ForwardedHead | RpcError {
    return this.#forwardedHead ??= readPeerFields(this.fields);
  }

  /**
   * The encoded header section for the server.
   *
   * @param voucher For a server that asks for it.
   */
  block(sender: CallSender, voucher?: string): Uint8Array {
    const known = this.#block;
    const { name, credentialUsed } = sender;
    if (
      known?.name === name && known.credentialUsed === credentialUsed && known.voucher === voucher
    ) return known.bytes;
    const bytes = encodeHeaderList(this.#forwarded(sender, { voucher }));
    this.#block = { name, credentialUsed, voucher, bytes };
    return bytes;
  }

  /** The same for the hub that has the server's tunnel. */
  blockForPeer(sender: PeerSender, forwarding: Forwarding): Uint8Array {
    const known = this.#peerBlock;
    if (known?.forwarding === forwarding && isSame(known.sender, sender)) return known.bytes;
    const bytes = encodeHeaderList(this.#forwarded(sender, { forwarding }));
    this.#peerBlock = { sender: { ...sender }, forwarding, bytes };
    return bytes;
  }

  /** The size of that section as the server counts it: `headerListBytes`. */
  listBytes(sender: CallSender, voucher?: string): number {
    return headerListBytes(this.#forwarded(sender, { voucher }));
  }

  /** The same for a call that had to wait: its deadline has come nearer. */
  blockWithTimeout(sender: PeerSender, how: SentHow): Uint8Array {
    return encodeHeaderList(this.#forwarded(sender, how));
  }

  #forwarded(
    sender: CallSender & Partial<ForwardedOperator>,
    { voucher, timeout, forwarding }: SentHow,
  ): HeaderList {
    const { name: operator, credentialUsed } = sender;
    // gRPC lets a caller leave it out, but some servers end the whole connection for it.
    const fields: Field[] = this.authority === "" ? [[":authority", NO_AUTHORITY]] : [];
    for (const field of this.fields) {
      const name = field[0];
      if (DROPPED.has(name) || isPeerField(name)) continue;
      if (credentialUsed && name === "authorization") continue;
      if (name === ":authority" && field[1] === "") continue;
      fields.push(name === "grpc-timeout" && timeout !== undefined ? [name, timeout] : field);
    }
    if (forwarding !== undefined) {
      fields.push(...peerFields(sender as PeerSender, forwarding));
      return fields;
    }
    fields.push([OPERATOR_FIELD, operator]);
    if (voucher !== undefined) fields.push([VOUCHER_FIELD, voucher, true]);
    return fields;
  }
}

function isSame(a: PeerSender, b: PeerSender): boolean {
  return a.name === b.name && a.how === b.how && a.subject === b.subject &&
    a.expiresAtMs === b.expiresAtMs && a.credentialUsed === b.credentialUsed;
}
