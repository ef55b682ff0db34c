/**
 * Servers of this process, by gserver's own parts: they come back as a gserver does.
 *
 * @module
 */
import { startServer } from "../../../server/server.ts";
import { toService } from "../../../server/serving/services.ts";
import { delay } from "../../../shared/async/delay.ts";
import type {
  echo_v1_EchoRequest as EchoRequest,
  echo_v1_EchoResponse as EchoResponse,
} from "../../../shared/gen/types.ts";
import { unary } from "../../../shared/grpc/handlers.ts";
import { CALL_ID_FIELD } from "./hub_caller.ts";

export interface EchoServersOptions {
  readonly names: readonly string[];
  /** All of them, whichever it has tunnels to. */
  readonly hubUris: readonly string[];
  /** How many tunnels each has. @default one to each hub */
  readonly tunnels?: number;
  /** Counts calls by the names that they have. @default nobody counts */
  readonly seen?: Map<string, number>;
  /** A tunnel ended. */
  readonly onLost?: (server: string) => void;
}

/** Starts them, and waits until each has all its tunnels. */
export async function startEchoServers(
  stack: AsyncDisposableStack,
  { names, hubUris, tunnels = hubUris.length, seen, onLost }: EchoServersOptions,
): Promise<void> {
  const echo = () =>
    toService("echo.v1.Echo", {
      implementation: {
        Unary: unary<EchoRequest, EchoResponse>(async ({ delayMs = 0 }, { metadata }) => {
          const id = String(metadata.get(CALL_ID_FIELD)[0] ?? "");
          seen?.set(id, (seen.get(id) ?? 0) + 1);
          if (delayMs > 0) await delay(delayMs);
          return {};
        }),
      },
    });
  const hubUri = hubUris.map((uri) => new URL(uri));
  await Promise.all(names.map(async (name) => {
    const all = Promise.withResolvers<void>();
    const serving = new Set<string>();
    stack.use(
      await startServer({
        name,
        hubUri,
        maxHubs: tunnels,
        services: [echo()],
        onState(_, { state }, { key }) {
          if (state === "serving") serving.add(key);
          else if (serving.delete(key)) onLost?.(name);
          if (serving.size === tunnels) all.resolve();
        },
      }),
    );
    await all.promise;
  }));
}
