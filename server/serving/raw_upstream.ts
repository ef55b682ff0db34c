/**
 * An operator's raw connection to an upstream: in HTTP/2, with the operator's name in each call.
 *
 *     operator ══ raw ══ hub ══ Connect ══ gate ── socket ── upstream
 *
 * | first bytes         | what is done                                                                  |
 * | ------------------- | ----------------------------------------------------------------------------- |
 * | HTTP/2's preface    | `x-hub-operator` of each call is whom the hub named, whatever the caller wrote |
 * | a TLS handshake     | passes: nobody here can read it, and no field in it is the hub's               |
 * | anything else       | reaches nobody: an upstream is a gRPC server, and not to be had in HTTP/1      |
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { Http2Scan } from "../../shared/http2/scan/http2_scan.ts";
import type { CallJudge } from "../policy/call_judge.ts";
import { UpstreamGate } from "../policy/upstream_gate.ts";

/** The first byte of a TLS handshake record (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 22;
/** Frames of our own that wait for the end of one under way. */
const MAX_INJECTED = 1_000;

/** Options of {@linkcode RawUpstream}. */
export interface RawUpstreamOptions {
  readonly judge: CallJudge;
  /** The upstream may speak TLS with the operator. */
  readonly allowTls: boolean;
}

/** Owns the socket: destroying one destroys the other. */
export class RawUpstream extends Duplex {
  readonly #socket: Socket;
  readonly #allowTls: boolean;
  readonly #gate: UpstreamGate;
  readonly #answers: Http2Scan;
  #isTls: boolean | undefined;
  #answered = false;
  #injected: Uint8Array[] = [];

  constructor(socket: Socket, { judge, allowTls }: RawUpstreamOptions) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#allowTls = allowTls;
    this.#gate = new UpstreamGate({
      judge,
      toHub: (frame) => this.#inject(frame),
      toUpstream: (frame) => void socket.write(frame),
      onBroken: (why) => this.destroy(new Error(`The caller broke HTTP/2: ${why}`)),
    });
    this.#answers = new Http2Scan({
      fromClient: false,
      onFrame: (head) => this.#gate.fromUpstream(head),
    });
    socket.on("data", (bytes: Buffer) => this.#answer(bytes));
    socket.once("end", () => this.push(null));
    socket.once("error", (error) => this.destroy(error));
    socket.once("close", () => this.destroy());
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#isTls ??= this.#allowTls && chunk[0] === TLS_HANDSHAKE;
    const pieces = this.#isTls ? [chunk] : this.#gate.pass(chunk);
    if (pieces.length === 0) return done();
    this.#socket.write(Buffer.concat(pieces), done);
  }

  override _final(done: () => void): void {
    this.#socket.end();
    done();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#gate[Symbol.dispose]();
    this.#socket.destroy();
    done(error);
  }

  #answer(bytes: Buffer): void {
    this.#answered = true;
    if (!this.#isTls) this.#answers.pass(bytes);
    if (!this.push(bytes)) this.#socket.pause();
    this.#sendInjected();
  }

  /** A frame of the gate, between two of the upstream, not before its first one (RFC 9113 §3.4). */
  #inject(frame: Uint8Array): void {
    if (this.#injected.length >= MAX_INJECTED) {
      return void this.destroy(new Error("The upstream never comes to the end of a frame"));
    }
    this.#injected.push(frame);
    this.#sendInjected();
  }

  #sendInjected(): void {
    if (this.#injected.length === 0 || !this.#answered || !this.#answers.atBorder) return;
    this.push(Buffer.concat(this.#injected.splice(0)));
  }
}
