import { getLogger } from "@logtape/logtape";
import assert from "node:assert/strict";
import { configureLog, type LogOptions, resetLog } from "./log.ts";

async function logged(options: LogOptions, log: () => void): Promise<string[]> {
  const lines: string[] = [];
  await configureLog({ ...options, write: (line) => lines.push(line) });
  try {
    log();
  } finally {
    await resetLog();
  }
  return lines;
}

Deno.test("configureLog() writes a line of text for each record", async () => {
  const [line, ...rest] = await logged({}, () => {
    getLogger(["hub", "auth"]).info('Accepted server "{server}"', { server: "edge-1", tries: 3 });
  });
  assert.deepEqual(rest, []);
  assert.match(
    line!,
    /^\d{4}-\d\d-\d\dT[\d:.]+Z INFO hub·auth Accepted server "edge-1" server=edge-1 tries=3$/,
  );
});

Deno.test("configureLog() says a sentence once, in the message or behind it", async () => {
  const [line] = await logged({}, () => {
    const error = "no such file";
    getLogger("hub").error("Cannot read {path}: {error}", { path: "a.crt", error, why: error });
  });
  assert.match(line!, /Cannot read a\.crt: "no such file" path=a\.crt why="no such file"$/);
});

Deno.test("F15: a line for systemd's journal has its priority, and no second time stamp", async (t) => {
  const table = [["debug", 7], ["info", 6], ["warn", 4], ["error", 3], ["fatal", 2]] as const;
  for (const [level, priority] of table) {
    await t.step(level, async () => {
      const options = { level: "trace", journal: true } as const;
      const log = () => getLogger(["hub", "auth"])[level]("Refused {name}", { name: "edge-1" });
      assert.deepEqual(await logged(options, log), [
        `<${priority}>hub·auth Refused edge-1 name=edge-1`,
      ]);
      const [line] = await logged({ ...options, format: "json" }, log);
      assert.match(line!, new RegExp(`^<${priority}>\\{"time":`));
    });
  }
});

Deno.test("G8: configureLog() masks each finished line, wherever in it the secret stands", async () => {
  // What stands in the sentence is not told once more in a line of text.
  for (const [format, times] of [["text", 4], ["json", 5]] as const) {
    const mask = (line: string) => line.replaceAll("sunflower", "xxxxxx");
    const [line] = await logged({ format, mask }, () => {
      const error = new Error("cannot use sunflower");
      getLogger("sunflower").info("a sunflower: {error}", { error, deep: ["sunflower"] });
    });
    assert.equal(line!.match(/xxxxxx/g)?.length, times, line!);
    assert.doesNotMatch(line!, /sunflower/);
  }
});

Deno.test("configureLog() drops what is below the level", async () => {
  const lines = await logged({ level: "warning" }, () => {
    getLogger("hub").info("quiet");
    getLogger("hub").error("loud");
  });
  assert.equal(lines.length, 1);
});

Deno.test("configureLog() keeps a forged line break on its line", async () => {
  const [line] = await logged({}, () => getLogger("hub").info`Got ${"a\nERROR forged \x1b[2J"}`);
  // deno-lint-ignore no-control-regex -- controls are the point
  assert.doesNotMatch(line!, /[\x00-\x1f]/);
});

Deno.test("configureLog() writes JSON that keeps errors, bigints, cycles and its own fields", async () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const [line] = await logged({ format: "json" }, () => {
    const properties = { error: new TypeError("no"), size: 2n ** 64n, cycle, level: "forged" };
    getLogger(["server", "dial"]).warn("Cannot dial", properties);
  });
  const { time, ...record } = JSON.parse(line!);
  assert.ok(!Number.isNaN(Date.parse(time)));
  assert.deepEqual(record, {
    level: "warning",
    category: "server.dial",
    message: "Cannot dial",
    error: "TypeError: no",
    size: "18446744073709551616",
    cycle: { self: "[seen]" },
  });
});

/** C0, DEL, C1, what ends a line for some, and what turns the direction of text. */
const OBEYED = [
  ...range(0x00, 0x1f),
  ...range(0x7f, 0x9f),
  ...range(0x2028, 0x202e),
  ...range(0x2066, 0x2069),
].map((code) => String.fromCodePoint(code)).join("");

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

Deno.test("D3: neither log format writes a character that a terminal obeys", async (t) => {
  for (const format of ["text", "json"] as const) {
    await t.step(format, async () => {
      const [line] = await logged({ format }, () => {
        getLogger("hub").info(`In the text ${OBEYED}, as {name}`, {
          name: `x${OBEYED}y`,
          error: new Error(OBEYED),
          deep: [{ [OBEYED]: OBEYED }],
        });
      });
      for (const character of OBEYED) {
        assert.ok(!line!.includes(character), `U+${character.charCodeAt(0).toString(16)}`);
      }
      if (format === "json") assert.equal(JSON.parse(line!).name, `x${OBEYED}y`);
    });
  }
});
