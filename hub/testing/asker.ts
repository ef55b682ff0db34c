/**
 * An operator who asks a running hub about itself, over real sockets. For tests.
 *
 * @module
 */
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage, encodeMessage } from "../../shared/grpc/service.ts";
import { denoStream } from "../../shared/grpc_client/byte_stream.ts";
import { Channel } from "../../shared/grpc_client/channel.ts";

/** An operator at one hub. */
export class Asker implements AsyncDisposable {
  readonly #channel: Channel;

  private constructor(channel: Channel) {
    this.#channel = channel;
  }

  static async dial(address: string): Promise<Asker> {
    const { hostname, port } = new URL(`tcp://${address}`);
    const conn = await Deno.connect({ hostname, port: Number(port) });
    return new Asker(new Channel(denoStream(conn), { authority: "hub" }));
  }

  /** @param method Of `ghub.v1.Hub`, or of another service of the hub by its full name. */
  async *ask<T extends object>(
    method: string,
    request: object = {},
    signal?: AbortSignal,
  ): AsyncGenerator<T> {
    const [name = "", of = "ghub.v1.Hub"] = method.split("/").reverse();
    const service = root.lookupService(of);
    const { requestType, responseType } = service.methods[name]!;
    const call = this.#channel.call({
      path: `/${of}/${name}`,
      ...(signal !== undefined && { signal }),
    });
    await call.send(encodeMessage(service.parent!.lookupType(requestType), request));
    await call.endSending();
    const response = service.parent!.lookupType(responseType);
    for await (const message of call.messages()) yield decodeMessage<T>(response, message);
    const { error } = await call.ended;
    if (error !== undefined && !signal?.aborted) throw error;
  }

  async one<T extends object>(method: string, request: object = {}): Promise<T> {
    for await (const answer of this.ask<T>(method, request)) return answer;
    throw new Error("No answer");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel[Symbol.asyncDispose]();
  }
}
