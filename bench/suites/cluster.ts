/**
 * The suite `cluster`: what many hubs cost and what they save, compared with one hub alone. Real processes, a real etcd of
 * three members, real kills. `--size 0.05` makes every part smaller, and `--part` runs one of them.
 *
 * @module
 */
import type { Part } from "../part.ts";
import type { Suite } from "../suite.ts";
import { claims } from "./cluster/claims.ts";
import { engineAway } from "./cluster/engine_away.ts";
import { forwarding } from "./cluster/forwarding.ts";
import { generations } from "./cluster/generations.ts";
import { twoHubs } from "./cluster/hub_faults.ts";
import { idleEtcd } from "./cluster/idle_etcd.ts";
import { lostHub } from "./cluster/lost_hub.ts";
import { manyNames } from "./cluster/many_names.ts";
import { suiteOf } from "./parts.ts";

export const PARTS: readonly Part[] = [
  forwarding,
  twoHubs,
  generations,
  claims,
  lostHub,
  engineAway,
  manyNames,
  idleEtcd,
];

export const cluster: Suite = suiteOf("cluster", PARTS);
