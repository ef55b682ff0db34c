/**
 * The responses of a call that grpc-js makes, as an async generator.
 *
 * @module
 */
import type {
  ClientDuplexStream,
  ClientReadableStream,
  ServiceError,
  StatusObject,
} from "@grpc/grpc-js";
import { fromServiceError } from "./from_service_error.ts";

/**
 * Yields the responses and then ends, or throws the call's status as an `RpcError`. The stream's
 * own iterator loses what waits in the stream when an error comes. What waits deeper down in
 * grpc-js at that moment is lost here as well: its call gives up all it has not handed out yet.
 *
 * Reads as the loop asks for more; leaving the loop early cancels the call.
 *
 * @returns The status `OK` with its trailers.
 */
export async function* responsesOf<Res>(
  call: ClientReadableStream<Res> | ClientDuplexStream<never, Res>,
): AsyncGenerator<Res, StatusObject | undefined, undefined> {
  let status: StatusObject | undefined;
  let failure: ServiceError | undefined;
  let ended = false;
  let wake = () => {};
  const onReadable = () => wake();
  const onEnd = () => {
    ended = true;
    wake();
  };
  const onStatus = (given: StatusObject) => {
    status = given;
    wake();
  };
  // Stays: an error without a listener would end the process, and one may follow the cancel.
  call.on("error", (error: ServiceError) => {
    failure ??= error;
    wake();
  });
  call.on("readable", onReadable).on("end", onEnd).on("status", onStatus);
  try {
    for (;;) {
      const woken = new Promise<void>((resolve) => wake = resolve);
      for (let next = call.read(); next !== null; next = call.read()) yield next as Res;
      if (failure !== undefined) throw fromServiceError(failure);
      if (ended && status !== undefined) return status;
      await woken;
    }
  } finally {
    call.off("readable", onReadable).off("end", onEnd).off("status", onStatus);
    if (failure === undefined && !ended) call.cancel();
  }
}
