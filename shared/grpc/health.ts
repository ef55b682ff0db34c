/**
 * The standard health service: is a service ready to be called?
 *
 * The name "" stands for the server as a whole and is there from the start, as SERVING.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 * @module
 */
import type {
  grpc_health_v1_HealthCheckRequest as Req,
  grpc_health_v1_HealthCheckResponse as Res,
  grpc_health_v1_HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/types.ts";
import { type CallContext, serverStream, type ServiceHost, unary } from "./handlers.ts";
import { RpcError } from "./rpc_error.ts";
import { Status } from "./status.ts";

/** More watchers than this are refused with `RESOURCE_EXHAUSTED`: each holds a stream without limit. */
export const MAX_WATCHERS = 1000;

export interface Health extends Disposable {
  /** Sets what is said of a service, "" being the whole server, and tells who watches it. */
  set(service: string, status: "SERVING" | "NOT_SERVING"): void;
  /** Says NOT_SERVING of all, for good, and ends all watches. To be called when the drain begins. */
  close(): void;
}

/** Adds `grpc.health.v1.Health` to a server. */
export function addHealth(host: ServiceHost): Health {
  const statuses = new Map<string, ServingStatus>([["", "SERVING"]]);
  const watchers = new Set<() => void>();
  let closed = false;

  function check({ service = "" }: Req): Res {
    const status = statuses.get(service);
    if (status !== undefined) return { status };
    throw new RpcError(Status.NOT_FOUND, `Unknown service "${service}"`);
  }

  async function* watch({ service = "" }: Req, { signal }: CallContext): AsyncGenerator<Res> {
    if (watchers.size >= MAX_WATCHERS) {
      throw new RpcError(
        Status.RESOURCE_EXHAUSTED,
        `Too many watchers: the limit is ${MAX_WATCHERS}`,
      );
    }
    let wake = () => {};
    const notify = () => wake();
    watchers.add(notify);
    signal.addEventListener("abort", notify, { once: true });
    try {
      let told: ServingStatus | undefined;
      while (!signal.aborted) {
        const woken = new Promise<void>((resolve) => wake = resolve);
        const status = statuses.get(service) ?? "SERVICE_UNKNOWN";
        if (status !== told) {
          told = status;
          yield { status };
        } else if (closed) {
          return;
        } else {
          await woken;
        }
      }
    } finally {
      signal.removeEventListener("abort", notify);
      watchers.delete(notify);
    }
  }

  host.addService("grpc.health.v1.Health", {
    Check: unary(check),
    Watch: serverStream(watch),
  });

  const notifyAll = () => watchers.forEach((notify) => notify());
  const health: Health = {
    set(service, status) {
      if (closed) return;
      statuses.set(service, status);
      notifyAll();
    },
    close() {
      closed = true;
      for (const service of statuses.keys()) statuses.set(service, "NOT_SERVING");
      notifyAll();
    },
    [Symbol.dispose]: () => health.close(),
  };
  return health;
}
