/**
 * What the suite `hostile` does to a hub: one line for each attack of which a hub was seen to suffer.
 *
 * @module
 */
import type { AttackOptions } from "./attacker.ts";

export interface Attack extends Partial<Pick<AttackOptions, "connections" | "perSecond">> {
  readonly name: string;
  /** What the attackers' process does; absent where the auth file is the attack. */
  readonly kind?: AttackOptions["kind"];
  /** What `perSecond` counts. */
  readonly unit?: string;
  /** The entry of the auth file whose credential it shows. @default none */
  readonly as?: string;
  /** What is written over the auth file while it lasts. */
  readonly authFile?: () => string;
}

const MEGABIT = 1e6 / 8;

/** 800 KB that look like an auth file to their last line. */
function broken(): string {
  const entry = (i: number) =>
    `  - { id: edge-${i}, tokens: ["sha256:${"0".repeat(64)}"], names: edge-${i} }\n`;
  return `version: 1\nservers:\n${Array.from({ length: 7_000 }, (_, i) => entry(i)).join("")}  - {`;
}

/** 450 KB of anchors, each of which holds the one before. */
function anchors(): string {
  const one = (i: number) => `a${i}: &a${i} [${i === 0 ? "x" : `*a${i - 1}, *a${i - 1}`}]\n`;
  return Array.from({ length: 15_000 }, (_, i) => one(i)).join("");
}

/** In this order: names that are away are what misspelt names are compared with. */
export const ATTACKS: readonly Attack[] = [
  { name: "nobody attacks" },
  {
    name: "B2 calls without a credential",
    kind: "calls",
    connections: 2,
    perSecond: 20 * MEGABIT,
    unit: "B",
  },
  {
    name: "B2 the same on 8 connections",
    kind: "calls",
    connections: 8,
    perSecond: 20 * MEGABIT,
    unit: "B",
  },
  { name: "B3 heads of blanks, 72 KB/s", kind: "heads", connections: 8, perSecond: 4.5 },
  {
    name: "B4 messages that never end",
    kind: "messages",
    connections: 8,
    perSecond: 100,
    as: "limited",
  },
  { name: "B4 header sections that never end", kind: "sections", connections: 8, perSecond: 100 },
  { name: "B5 servers without a credential", kind: "dials", connections: 64, perSecond: 12_000 },
  { name: "B6 large metadata", kind: "metadata", connections: 4, perSecond: 50, as: "other" },
  { name: "B8 names of one token", kind: "names", connections: 32, perSecond: 1_000, as: "fleet" },
  { name: "B7 misspelt names", kind: "misspelt", connections: 16, perSecond: 1_000, as: "other" },
  { name: "B9 watches of one operator", kind: "watches", connections: 100, as: "other" },
  { name: "B10 a broken auth file of 800 KB", authFile: broken },
  { name: "B11 anchors in the auth file", authFile: anchors },
  { name: "B12 sockets of one address", kind: "sockets", connections: 9_000, perSecond: 3_000 },
];
