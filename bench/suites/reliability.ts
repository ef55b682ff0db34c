/**
 * The suite `reliability`: how long failures last, and what they leave behind. Real processes, real
 * kills. `--size 0.1` makes every part smaller; an interrupted run shows the parts that are done.
 *
 * @module
 */
import type { Part } from "../part.ts";
import type { Suite } from "../suite.ts";
import { suiteOf } from "./parts.ts";
import { cycles } from "./reliability/cycles.ts";
import { halfOpen } from "./reliability/half_open.ts";
import { idle } from "./reliability/idle.ts";
import { kills } from "./reliability/kills.ts";
import { reconnect } from "./reliability/reconnect.ts";
import { storm } from "./reliability/storm.ts";

export const PARTS: readonly Part[] = [halfOpen, reconnect, storm, cycles, kills, idle];

export const reliability: Suite = suiteOf("reliability", PARTS);
