/**
 * An honest operator during an attack: one call after the other, most on one connection, and each
 * tenth on a new one, which has to be accepted first.
 *
 * @module
 */
import { encodeHeaderList } from "../../../shared/http2/hpack/encoder.ts";
import { firstValue } from "../../../shared/http2/header_list.ts";
import { frameMessage } from "../../lean/echo.ts";
import { Peer } from "../../lean/peer.ts";
import { dialTcp } from "../../lean/wire.ts";

const PAUSE_MS = 20;
const NEW_EVERY = 10;
/** A call that takes longer has failed. */
const PATIENCE_MS = 5_000;

/** What one operator felt. */
export interface Felt {
  /** Of each call that went well. */
  readonly latenciesMs: readonly number[];
  readonly failed: number;
  /** What the first one that failed was told. */
  readonly why: string | undefined;
}

export interface HonestOptions {
  readonly address: string;
  readonly server: string;
  readonly token: string;
  readonly seconds: number;
}

/** Calls until the time is over. */
export async function callHonestly(options: HonestOptions): Promise<Felt> {
  const { address, server, token, seconds } = options;
  const block = encodeHeaderList([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/echo.v1.Echo/Unary"],
    [":authority", "hub"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
    ["x-hub-server", server],
    ["authorization", `Bearer ${token}`],
  ]);
  const message = frameMessage(new Uint8Array());
  const latenciesMs: number[] = [];
  let failed = 0;
  let why: string | undefined;
  const connect = async () => {
    const peer = new Peer(await dialTcp(address), { role: "client" });
    peer.ended.catch(() => {});
    return peer;
  };
  const call = async (peer: Peer) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    peer.connection.data(
      peer.connection.request(block, false, {
        onHeaders(_stream, fields, endStream) {
          if (!endStream) return;
          const status = firstValue(fields, "grpc-status");
          if (status === "0") return resolve();
          reject(new Error(`${status} ${firstValue(fields, "grpc-message") ?? ""}`));
        },
        onData: (_stream, piece) => peer.connection.consumed(piece.length),
        onReset: (_stream, code) => reject(new Error(`Reset with ${code}`)),
        onCredit() {},
        onDrained() {},
      }),
      message,
      true,
    );
    await promise;
  };
  const inTime = async <T>(work: Promise<T>): Promise<T> => {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("No answer")), PATIENCE_MS);
    return await Promise.race([work, promise]).finally(() => clearTimeout(timer));
  };
  let peer = await connect();
  const endMs = performance.now() + seconds * 1000;
  for (let i = 1; performance.now() < endMs; i++) {
    const startedMs = performance.now();
    try {
      if (i % NEW_EVERY === 0) {
        const fresh = await inTime(connect());
        await inTime(call(fresh)).finally(() => fresh.close());
      } else await inTime(call(peer));
      latenciesMs.push(performance.now() - startedMs);
    } catch (error) {
      failed++;
      why ??= error instanceof Error ? error.message : String(error);
      peer.close();
      peer = await connect();
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  peer.close();
  return { latenciesMs, failed, why };
}
