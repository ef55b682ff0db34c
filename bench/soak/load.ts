/**
 * What a hub has to bear in a soak: calls of all sizes that are cancelled anywhere, streams of
 * megabytes that are cut, callers and servers that come and go.
 *
 * @module
 */
import { type CallOptions, Client, Metadata, type MethodDefinition, status } from "@grpc/grpc-js";
import { HubCredentials } from "../../shared/http2/testing/hub_credentials.ts";
import type {
  echo_v1_EchoRequest as EchoRequest,
  echo_v1_EchoResponse as EchoResponse,
} from "../../shared/gen/types.ts";
import { serviceDefinition } from "../../shared/grpc_js/service_definition.ts";
import { statusName } from "../../shared/grpc/status.ts";
import type { Fleet } from "../fleet.ts";

const CALLERS = 10;
const STREAMERS = 3;
const KILLS_PER_S = 2;
/** Each caller's connection makes so many calls, then it is a new one. */
const CALLS_PER_CONNECTION = 200;
const MAX_CALL_BYTES = 100_000;
const MAX_STREAM_BYTES = 32 << 20;
const MESSAGE_BYTES = 64 << 10;
const CANCEL_WITHIN_MS = 5;
/** What a stream may have under way: grpc-js's default of 64 KiB would be waiting most of the time. */
const STREAM_WINDOW_BYTES = 1 << 20;
/** Far more than any call takes: one that reaches it was forgotten. */
const DEADLINE_MS = 60_000;

/** How calls may end here; `UNAVAILABLE` is what a call is told whose server was killed. */
const EXPECTED: readonly number[] = [status.OK, status.CANCELLED, status.UNAVAILABLE];

type EchoMethod = MethodDefinition<EchoRequest, EchoResponse>;
const { Unary, ServerStream } = serviceDefinition("echo.v1.Echo") as Record<
  "Unary" | "ServerStream",
  EchoMethod
>;

/** Puts load on a hub until it is told to stop, and counts. */
export class Load {
  readonly #address: string;
  readonly #fleet: Fleet;
  readonly #signal: AbortSignal;
  readonly #counts = { unary: 0, cancelled: 0, streams: 0, streamedBytes: 0, kills: 0 };
  /** Calls by how they ended. */
  readonly #ends = new Map<number, number>();

  /** @param signal Ends it. */
  constructor(address: string, fleet: Fleet, signal: AbortSignal) {
    this.#address = address;
    this.#fleet = fleet;
    this.#signal = signal;
  }

  /** Runs until the signal fires and the last call has ended. */
  async run(): Promise<void> {
    const killer = setInterval(() => this.#kill(), 1_000 / KILLS_PER_S);
    try {
      await Promise.all([
        ...Array.from({ length: CALLERS }, () => this.#makeCalls()),
        ...Array.from({ length: STREAMERS }, () => this.#makeStreams()),
      ]);
    } finally {
      clearInterval(killer);
    }
  }

  /** Calls that ended as none should. */
  get unexpected(): number {
    return [...this.#ends].reduce((sum, [code, n]) => EXPECTED.includes(code) ? sum : sum + n, 0);
  }

  /** For people. */
  get summary(): string {
    const { unary, cancelled, streams, streamedBytes, kills } = this.#counts;
    const ends = [...this.#ends].sort(([a], [b]) => a - b)
      .map(([code, count]) => `${statusName(code)} ${count}`);
    return `${unary} calls, ${cancelled} of them cancelled; ${streams} streams, ` +
      `${(streamedBytes / 2 ** 30).toFixed(1)} GiB; ${kills} kills; ends: ${ends.join(", ")}`;
  }

  #kill(): void {
    this.#counts.kills++;
    this.#pick().wire?.close();
  }

  #pick() {
    const { members } = this.#fleet;
    return members[Math.floor(Math.random() * members.length)]!;
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    metadata.set("x-hub-server", this.#pick().name);
    return metadata;
  }

  #connect(): Client {
    return new Client(this.#address, new HubCredentials({}), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc-node.flow_control_window": STREAM_WINDOW_BYTES,
    });
  }

  #ended(code: number): void {
    this.#ends.set(code, (this.#ends.get(code) ?? 0) + 1);
  }

  /** Unary calls of all sizes; each third one is cancelled at some moment. */
  async #makeCalls(): Promise<void> {
    while (!this.#signal.aborted) {
      const client = this.#connect();
      for (let i = 0; i < CALLS_PER_CONNECTION && !this.#signal.aborted; i++) {
        this.#ended(await this.#callOnce(client, i % 3 === 0));
      }
      client.close();
    }
  }

  #callOnce(client: Client, cancel: boolean): Promise<number> {
    return new Promise((resolve) => {
      const data = new Uint8Array(Math.floor(Math.random() ** 4 * MAX_CALL_BYTES));
      const call = client.makeUnaryRequest(
        Unary.path,
        Unary.requestSerialize,
        Unary.responseDeserialize,
        { data },
        this.#metadata(),
        options(),
        (error) => resolve(error?.code ?? status.OK),
      );
      this.#counts.unary++;
      if (!cancel) return;
      this.#counts.cancelled++;
      setTimeout(() => call.cancel(), Math.random() * CANCEL_WITHIN_MS);
    });
  }

  /** Streams of megabytes, each cut somewhere. */
  async #makeStreams(): Promise<void> {
    while (!this.#signal.aborted) {
      const client = this.#connect();
      this.#ended(await this.#streamOnce(client));
      client.close();
    }
  }

  #streamOnce(client: Client): Promise<number> {
    return new Promise((resolve) => {
      const stream = client.makeServerStreamRequest(
        ServerStream.path,
        ServerStream.requestSerialize,
        ServerStream.responseDeserialize,
        { count: 1_000_000, size: MESSAGE_BYTES },
        this.#metadata(),
        options(),
      );
      let left = Math.random() * MAX_STREAM_BYTES;
      stream.on("data", ({ data }: EchoResponse) => {
        const bytes = data?.length ?? 0;
        this.#counts.streamedBytes += bytes;
        if ((left -= bytes) < 0) stream.cancel();
      });
      stream.on("error", () => {}); // `status` tells the same.
      stream.on("status", ({ code }) => resolve(code));
      this.#counts.streams++;
    });
  }
}

function options(): CallOptions {
  return { deadline: Date.now() + DEADLINE_MS };
}
