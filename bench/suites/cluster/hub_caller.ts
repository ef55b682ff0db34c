/**
 * A caller with one connection to a hub: what its calls cost does not hide what the hub does.
 *
 * @module
 */
import { deliveryOf } from "../../../client/call/delivery.ts";
import { parseHostPort } from "../../../shared/cli/parse_host_port.ts";
import { CallMetadata } from "../../../shared/grpc/call_metadata.ts";
import { root } from "../../../shared/grpc/root.ts";
import { encodeMessage } from "../../../shared/grpc/service.ts";
import { denoStream } from "../../../shared/grpc_client/byte_stream.ts";
import { Channel } from "../../../shared/grpc_client/channel.ts";
import { USUAL_ADDRESS } from "../../../shared/registration/usual_address.ts";

/** What became of a call; `unknown`: the server may have got it. */
export type Outcome = "ok" | ReturnType<typeof deliveryOf>;

export interface EchoOptions {
  /** How long the hub waits for the server. @default not at all */
  readonly waitMs?: number;
  readonly timeoutMs: number;
  /** How long the server takes. @default 0 */
  readonly delayMs?: number;
  /** The call's own name, which the server counts. @default none */
  readonly id?: string;
}

/** In which a call says its name. */
export const CALL_ID_FIELD = "x-call-id";

/** Calls Echo through one hub. Disposing of it closes the connection. */
export class HubCaller implements AsyncDisposable {
  readonly #channel: Channel;

  private constructor(channel: Channel) {
    this.#channel = channel;
  }

  static async connect(address: string): Promise<HubCaller> {
    const { host, port } = parseHostPort(address, { usualPort: USUAL_ADDRESS.callPort });
    const connection = await Deno.connect({ hostname: host, port });
    connection.setNoDelay();
    return new HubCaller(new Channel(denoStream(connection), { authority: "bench.test" }));
  }

  async echo(
    server: string,
    { waitMs = 0, timeoutMs, delayMs = 0, id }: EchoOptions,
  ): Promise<Outcome> {
    const call = this.#channel.call({
      path: "/echo.v1.Echo/Unary",
      metadata: CallMetadata.received([
        ["x-hub-server", server],
        ...(waitMs > 0 ? [["x-hub-wait", `${waitMs}ms`] as const] : []),
        ...(id === undefined ? [] : [[CALL_ID_FIELD, id] as const]),
      ]),
      timeoutMs,
    });
    await call.send(encodeMessage(root.lookupType("echo.v1.EchoRequest"), { delayMs }));
    await call.endSending();
    for await (const _ of call.messages());
    const { error } = await call.ended;
    if (error === undefined) return "ok";
    return deliveryOf(error, { connected: true, refused: call.refused });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel[Symbol.asyncDispose]();
  }
}
