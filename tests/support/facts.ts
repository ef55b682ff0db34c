/**
 * What tests of failures ask about again and again.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { readdirSync } from "node:fs";
import type { ghub_v1_Server as ListedServer } from "../../shared/gen/types.ts";
import { decodeStatus } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { Outcome } from "./echo_client.ts";
import { callOnce, listServers } from "./typed_client.ts";
import { until } from "./until.ts";
import type { World } from "./world.ts";

/** Open files and sockets of a process. */
export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** `hop forwarded` of an answer: `server 1`, `hub 0` … */
export function hopOf({ trailers }: Pick<Outcome, "trailers">): string {
  return `${trailers.get("x-hub-hop").join()} ${trailers.get("x-hub-forwarded").join()}`;
}

/** `ErrorInfo.reason` of an answer; empty if it has none. */
export function reasonOf({ trailers }: Pick<Outcome, "trailers">): string {
  const [bytes] = trailers.get("grpc-status-details-bin") as Buffer[];
  const details = bytes === undefined ? [] : decodeStatus(bytes).details;
  const info = details.find(({ type }) => type === "google.rpc.ErrorInfo");
  return (info?.value as { reason?: string } | undefined)?.reason ?? "";
}

/** Waits until calls to a server go through. */
export async function reached(world: World, server: string): Promise<void> {
  await until(`"${server}" to answer`, async () => {
    const { code } = await callOnce(world.callAddress, ["grpc.health.v1.Health", "Check"], {}, {
      metadata: { "x-hub-server": server },
      timeoutMs: 10_000,
    });
    return code === Status.OK;
  });
}

/** A server as the hub lists it, also when it is away. */
export async function listed(world: World, name: string): Promise<ListedServer | undefined> {
  return (await listServers(world.callAddress, { includeOffline: true })).get(name);
}

/** Waits until the hub lists a server as `state`. */
export async function untilState(
  world: World,
  name: string,
  state: ListedServer["state"],
): Promise<ListedServer> {
  return await until(`"${name}" to be ${state}`, async () => {
    const server = await listed(world, name);
    return server?.state === state && server;
  });
}

/** Asserts that a server still has the tunnel that it had. */
export async function assertSameTunnel(
  world: World,
  before: ListedServer | undefined,
): Promise<void> {
  const now = await listed(world, before?.name ?? "");
  assert.deepEqual([now?.state, now?.tunnelId], ["ONLINE", before?.tunnelId]);
}
