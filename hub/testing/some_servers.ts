/**
 * A registry with servers that are here, drain and are away. For tests.
 *
 * @module
 */
import type { Registry } from "../registry/registry.ts";
import { FakeTunnel } from "./fake_tunnel.ts";

const GONE = { reason: "Peer went away", by: "network" } as const;

/** Registers `edge-1` (away) to `edge-4`; `edge-3` drains. */
export async function someServers(registry: Registry): Promise<void> {
  const add = (name: string, labels: Record<string, string>) => {
    const info = { labels, instance: "5f0c8f0e-0a1b-4c2d-8e3f-0123456789ab" };
    const tunnel = new FakeTunnel(name, registry.nextGeneration(name), info);
    registry.add(tunnel);
    return tunnel;
  };
  add("edge-2", { env: "prod", site: "ams" });
  await add("edge-3", { env: "prod" }).drain();
  add("edge-1", { env: "test" }).close(GONE);
  add("edge-4", { env: "prod" }).close(GONE);
  for (let i = 0; i < 3; i++) await Promise.resolve();
  add("edge-4", { env: "prod" });
}
