/**
 * Servers die at random while calls go on, and each call's end is looked at: is it what happened?
 *
 * @module
 */
import {
  Client,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import type {
  echo_v1_EchoRequest as EchoRequest,
  echo_v1_EchoResponse as EchoResponse,
} from "../../../shared/gen/types.ts";
import { serviceDefinition } from "../../../shared/grpc/service.ts";
import type { Fleet } from "../../fleet.ts";

const method = serviceDefinition("echo.v1.Echo")["Unary"] as MethodDefinition<
  EchoRequest,
  EchoResponse
>;
/** Callers at a time. */
const CALLERS = 20;

export interface KillFigures {
  readonly calls: number;
  /** Ended as calls do whose server died. */
  readonly failed: number;
  /** Ended in a way that does not say whether the call may be repeated, or not at all. */
  readonly untruthful: number;
}

export async function randomKills(
  address: string,
  fleet: Fleet,
  { perSecond, forMs }: { readonly perSecond: number; readonly forMs: number },
): Promise<KillFigures> {
  const client = new Client(address, credentials.createInsecure(), { "grpc.enable_retries": 0 });
  const figures = { calls: 0, failed: 0, untruthful: 0 };
  const endMs = performance.now() + forMs;
  const pick = () => fleet.members[Math.floor(Math.random() * fleet.members.length)]!;
  const killer = setInterval(() => pick().wire?.close(), 1_000 / perSecond);
  const caller = async () => {
    while (performance.now() < endMs) {
      figures.calls++;
      const data = crypto.getRandomValues(new Uint8Array(100));
      const [error, response] = await call(client, pick().name, data);
      if (error === null) {
        if (!same(response?.data, data)) figures.untruthful++;
      } else if (isTruthful(error)) figures.failed++;
      else figures.untruthful++;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  clearInterval(killer);
  client.close();
  return figures;
}

function call(
  client: Client,
  server: string,
  data: Uint8Array,
): Promise<[ServiceError | null, EchoResponse | undefined]> {
  const metadata = new Metadata();
  metadata.set("x-hub-server", server);
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      { data },
      metadata,
      // No kill makes a call wait: one that does was forgotten.
      { deadline: Date.now() + 10_000 },
      (error, response) => resolve([error, response]),
    );
  });
}

/** `UNAVAILABLE` from the hub, which says whether anything had left it, and why. */
function isTruthful({ code, metadata, details }: ServiceError): boolean {
  if (code !== status.UNAVAILABLE || metadata.get("x-hub-hop")[0] !== "hub") return false;
  const [forwarded] = metadata.get("x-hub-forwarded");
  return forwarded === "1" ? /outcome unknown/.test(details) : forwarded === "0";
}

function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a?.length === b.length && b.every((byte, i) => byte === a[i]);
}
