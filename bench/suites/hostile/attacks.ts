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
  /**
   * What is written over the auth file while it lasts, another text each second.
   *
   * @param good The auth file as it was.
   */
  readonly authFile?: (good: string, second: number) => string;
}

const MEGABIT = 1e6 / 8;

/** Entries of servers, each of which has a token of its own. */
function servers(count: number, second: number): string {
  const hash = (i: number) => (i + second / 1_000).toString(16).replace(".", "").padEnd(64, "0");
  const entry = (i: number) =>
    `  - { id: site-${i}, tokens: ["sha256:${hash(i + 4096).slice(0, 64)}"], names: site-${i} }\n`;
  return Array.from({ length: count }, (_, i) => entry(i)).join("");
}

/** 350 KB more, as an auth file has them whose tokens are replaced one by one. */
function rotated(good: string, second: number): string {
  return good.replace("servers:\n", `servers:\n${servers(3_000, second)}`);
}

/** 800 KB that look like an auth file to their last line. */
function broken(_good: string, second: number): string {
  return `version: 1\nservers:\n${servers(7_000, second)}  - {`;
}

/** 450 KB of anchors, each of which holds the one before. */
function anchors(_good: string, second: number): string {
  const one = (i: number) => `a${i}: &a${i} [${i === 0 ? "x" : `*a${i - 1}, *a${i - 1}`}]\n`;
  return `# ${second}\n${Array.from({ length: 15_000 }, (_, i) => one(i)).join("")}`;
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
  { name: "B10 3 000 tokens in the auth file, which changes", authFile: rotated },
  { name: "B10 a broken auth file of 800 KB", authFile: broken },
  { name: "B11 anchors in the auth file", authFile: anchors },
  { name: "B12 sockets of one address", kind: "sockets", connections: 9_000, perSecond: 3_000 },
];
