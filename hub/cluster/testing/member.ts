/**
 * A member of a cluster without a network: a registry, tunnels in memory, and the cluster's own code on
 * whatever engine a test gives it. For tests.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Engine } from "../../engine/engine.ts";
import type { Refusal } from "../../registry/refusal.ts";
import { Registry } from "../../registry/registry.ts";
import { FakeTunnel } from "../../testing/fake_tunnel.ts";
import type { RemoteFlap } from "../claims.ts";
import { Cluster, type ClusterOptions } from "../cluster.ts";
import { GivenEngine } from "./given_engine.ts";

/** A tunnel of a member: its generation may be confirmed later. */
export class MemberTunnel extends FakeTunnel {
  override id: string;
  override generation: number;

  constructor(id: string, name: string, generation: number, instance: string) {
    super(name, generation, { instance });
    this.id = id;
    this.generation = generation;
  }

  confirm(generation: number): void {
    this.generation = generation;
  }
}

/** A hub as far as its cluster is concerned. */
export class TestMember implements AsyncDisposable {
  readonly name: string;
  readonly engine: GivenEngine;
  readonly registry = new Registry<MemberTunnel>();
  readonly cluster: Cluster;
  readonly flaps: RemoteFlap[] = [];
  #nextId = 0;

  constructor(name: string, engine: Engine, options: Partial<ClusterOptions> = {}) {
    this.name = name;
    this.engine = engine instanceof GivenEngine ? engine : new GivenEngine(engine);
    this.cluster = new Cluster({
      engine: this.engine,
      cluster: "test",
      record: { name, peerAddress: `${name}:1`, version: "0.0.0", protocol: 1 },
      registry: this.registry,
      onFlap: (flap) => this.flaps.push(flap),
      ttlMs: 2_000,
      renewMs: 200,
      ...options,
    });
  }

  /** What the tunnel listener does with a server. */
  async register(name: string, instance: string): Promise<MemberTunnel | Refusal> {
    const id = `${this.name}-${this.#nextId++}`;
    const info = { name, labels: {}, instance, version: "1", remoteAddress: "192.0.2.7:1" };
    const refused = this.registry.admit(info);
    if (refused !== undefined) return refused;
    const claim = await this.cluster.claim(info, { tunnel: id, owner: "" });
    if ("status" in claim) return claim;
    const tunnel = new MemberTunnel(id, name, claim.generation, instance);
    this.registry.add(tunnel);
    this.cluster.release(tunnel);
    return tunnel;
  }

  /** The same, for a server that must be taken. */
  async registered(name: string, instance: string): Promise<MemberTunnel> {
    const tunnel = await this.register(name, instance);
    assert.ok(tunnel instanceof MemberTunnel, JSON.stringify(tunnel));
    return tunnel;
  }

  /** The hubs that have a place of a name, in this one's view. */
  places(name: string): string[] {
    return this.cluster.placesOf(name).map(({ hub }) => hub.name).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }
}
