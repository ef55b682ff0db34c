import assert from "node:assert/strict";
import { DURATION, parseDuration } from "./parse_duration.ts";
import { defaultText, type Option, valuesOf } from "./option.ts";
import { type Io, type Options, type Output, runProgram, UsageError } from "./program.ts";
import { type Context, defineCommand, type Program } from "./command.ts";
import { SignalError } from "./signals.ts";

/** Streams that keep what was written. */
function fakeIo(): Io & { out(): string; err(): string } {
  const texts = ["", ""];
  const output = (index: number): Output => ({
    isTerminal: false,
    color: false,
    write: (text) => {
      texts[index] += text;
      return Promise.resolve();
    },
  });
  return { stdout: output(0), stderr: output(1), out: () => texts[0]!, err: () => texts[1]! };
}

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly context: Context | undefined;
}

const serveOptions = {
  hubUri: { flag: "--hub-uri", value: "URI", default: "wss://localhost:8080/ws", help: "The hub" },
  pingIntervalMs: {
    flag: "--ping-interval",
    value: "DURATION",
    parse: parseDuration,
    default: 5000,
    defaultText: "5s",
    help: "How often to ping",
    group: "Connection",
  },
  insecure: { flag: "--insecure", help: "Skips checks" },
  noColor: { flag: "--no-color", help: "Never colours" },
  expose: { flag: "--expose", value: "NAME=HOST:PORT", many: true, help: "More upstreams" },
  format: {
    flag: "--log-format",
    value: "FORMAT",
    choices: ["text", "json"],
    default: "text",
    help: "Log form",
  },
  server: { flag: "--server-addr", short: "-s", value: "HOST:PORT", help: "Where to" },
} as const satisfies Options;

function program(seen: (context: Context) => void): Program {
  const run = (context: Context) => {
    seen(context);
    if (context.args[0] === "usage") throw new UsageError("Bad thing", { hint: "Do it well" });
    if (context.args[0] === "boom") throw new TypeError("boom");
    return 7;
  };
  return {
    name: "gthing",
    envPrefix: "GTHING",
    version: "1.2.3",
    summary: "Does things",
    defaultCommand: "serve",
    commands: [
      {
        name: "serve",
        summary: "Serves",
        examples: ["gthing serve edge-1"],
        args: [{ name: "name", summary: "its name", optional: true }],
        options: serveOptions,
        run,
      },
      {
        name: "things",
        aliases: ["old-things"],
        summary: "About things",
        commands: [
          {
            name: "list",
            summary: "Lists",
            options: { server: { ...serveOptions.server, help: "Of what" } },
            run,
          },
          {
            name: "drop",
            summary: "Drops",
            args: [{ name: "what", summary: "which", many: true }],
            run,
          },
        ],
      },
    ],
  };
}

async function run(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  let context: Context | undefined;
  const io = fakeIo();
  const signal = new AbortController().signal;
  const code = await runProgram(program((seen) => context = seen), args, { env, io, signal });
  return { code, out: io.out(), err: io.err(), context };
}

Deno.test("runProgram() gives run() its values and returns its code", async () => {
  const { code, context } = await run([
    "serve",
    "edge-1",
    "--insecure",
    "--expose",
    "a",
    "--expose=b",
  ]);
  assert.equal(code, 7);
  assert.deepEqual(context?.args, ["edge-1"]);
  assert.deepEqual(context?.options, {
    hubUri: "wss://localhost:8080/ws",
    pingIntervalMs: 5000,
    insecure: true,
    noColor: false,
    expose: ["a", "b"],
    format: "text",
    server: undefined,
  });
});

Deno.test("runProgram() runs the default command, also with options only", async () => {
  for (const args of [[], ["--no-color"], ["-s", "a:1"]]) {
    const { code, context } = await run(args);
    assert.equal(code, 7);
    assert.equal(context?.options["noColor"], args[0] === "--no-color");
  }
});

Deno.test("runProgram() takes options before the command's name too", async () => {
  const { context } = await run(["-s", "a:1", "things", "list"]);
  assert.equal(context?.options["server"], "a:1");
});

Deno.test("runProgram() knows old names", async () => {
  assert.equal((await run(["old-things", "list"])).code, 7);
});

Deno.test("runProgram() prefers flag over environment over config file over default", async () => {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(
      file,
      "hub-uri: from-file\nping-interval: 1s\nexpose: { a: 1, b: 2 }\n",
    );
    const env = { GTHING_HUB_URI: "from-env", GTHING_CONFIG: file, GTHING_INSECURE: "yes" };
    const both = await run(["serve", "--hub-uri", "from-flag"], env);
    assert.equal(both.context?.options["hubUri"], "from-flag");
    const { context } = await run(["serve"], env);
    assert.equal(context?.options["hubUri"], "from-env");
    assert.equal(context?.options["pingIntervalMs"], 1000);
    assert.equal(context?.options["insecure"], true);
    assert.deepEqual(context?.options["expose"], ["a=1", "b=2"]);
    assert.equal(context?.options["format"], "text");
    const empty = await run(["serve", "--config", file], { GTHING_HUB_URI: "" });
    assert.equal(empty.context?.options["hubUri"], "from-file");
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("runProgram() takes a secret from the environment and a file, but not from its own command line", async () => {
  const secret = {
    flag: "--proxy",
    value: "URL",
    help: "x",
    isSecret: (url: string) => url.includes("@"),
  } as const;
  const env = { GTHING_PROXY: "http://me:s3cret@p:1" };
  const ask = async (args: string[], env: Record<string, string> = {}) => {
    const io = fakeIo();
    let proxy: unknown;
    const program: Program = {
      name: "gthing",
      envPrefix: "GTHING",
      version: "1",
      summary: "x",
      commands: [{
        name: "go",
        summary: "x",
        options: { proxy: secret },
        run: ({ options }) => {
          proxy = options["proxy"];
          return 0;
        },
      }],
    };
    const { signal } = new AbortController();
    const code = await runProgram(program, ["go", ...args], { env, io, signal });
    return { code, err: io.err(), proxy };
  };
  assert.equal((await ask([], env)).proxy, env.GTHING_PROXY);
  assert.equal((await ask(["--proxy", "http://p:1"])).proxy, "http://p:1");
  const { code, err } = await ask(["--proxy", env.GTHING_PROXY]);
  assert.equal(code, 2);
  assert.match(err, /--proxy holds a password[^]*GTHING_PROXY/);
  assert.doesNotMatch(err, /s3cret/);
});

Deno.test("runProgram() answers what it cannot understand with exit 2 and a hint", async (t) => {
  const table: [args: string[], error: RegExp, env?: Record<string, string>][] = [
    [["serv"], /Unknown command "serv"[^]*serve/],
    [["serv", "--help"], /Unknown command "serv"[^]*serve/],
    [["--insecure", "serv"], /Unknown command "serv"[^]*serve/],
    [
      ["things", "list", "-s"],
      /Option "-s, --server-addr <HOST:PORT>" argument missing[^]*things list --help/,
    ],
    [["edge-1"], /Unknown command "edge-1"[^]*Did you mean "gthing serve edge-1"\?/],
    [["things"], /Usage: gthing things[^]*list/],
    [["things", "lst"], /Unknown command "lst"[^]*Did you mean list\?/],
    [["things", "li"], /Unknown command "li"[^]*Did you mean list\?/],
    [["serve", "--hub-url", "x"], /Unknown option "--hub-url"[^]*Did you mean --hub-uri\?/],
    [["serve", "a", "b"], /Too many arguments[^]*gthing serve --help/],
    [["serve", "--hub-uri"], /Option "--hub-uri <URI>" argument missing[^]*gthing serve --help/],
    [
      ["serve", "--ping-interval", "5"],
      /Cannot use --ping-interval: "5" is not a duration\nhint: .*5s/,
    ],
    [["serve"], /Cannot use GTHING_PING_INTERVAL: "x" is not/, { GTHING_PING_INTERVAL: "x" }],
    [["serve"], /Cannot use "maybe" as GTHING_INSECURE/, { GTHING_INSECURE: "maybe" }],
    [
      ["serve", "--log-format", "xml"],
      /Cannot use "xml" as --log-format\nhint: Choose from text, json/,
    ],
    [
      ["--insecure", "things", "list"],
      /Option "--insecure" does not belong to "gthing things list"/,
    ],
    [["things", "drop"], /Missing required argument "what"/],
    [["serve", "--config", "/nowhere.yaml"], /Cannot read config file "\/nowhere.yaml"/],
    [["serve", "usage"], /error: Bad thing\nhint: Do it well\n/],
  ];
  for (const [args, error, env] of table) {
    await t.step(args.join(" "), async () => {
      const outcome = await run(args, env);
      assert.match(outcome.err, error);
      assert.equal(outcome.out, "");
      assert.equal(outcome.code, 2);
    });
  }
});

Deno.test("runProgram() answers an unexpected error with exit 1", async () => {
  const { code, err } = await run(["serve", "boom"]);
  assert.equal(err, "error: boom\n");
  assert.equal(code, 1);
  assert.match(
    (await run(["serve", "boom"], { GTHING_DEBUG: "1" })).err,
    /TypeError: boom\n\s+at /,
  );
});

Deno.test("runProgram() prints help and version to stdout", async () => {
  const version = await run(["--version"]);
  assert.deepEqual([version.code, version.out], [0, "1.2.3\n"]);
  const { code, out, err } = await run(["serve", "--help"]);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^Usage: gthing serve/);
  assert.match(
    out,
    /Connection:\n\s+--ping-interval <DURATION>\s+How often to ping \(default 5s, env GTHING_PING_INTERVAL\)/,
  );
  assert.match(out, /Examples:\n {2}gthing serve edge-1/);
});

Deno.test("a program's own help describes the options of its default command", async () => {
  const { out } = await run(["--help"]);
  assert.match(out, /--server-addr <HOST:PORT>\s+Where to/);
  assert.doesNotMatch(out, /Of what/);
});

Deno.test("help shows a default as one would write it, and none that goes without saying", () => {
  const table: [option: Omit<Option, "flag" | "help">, text: string | undefined][] = [
    [{ value: "TEXT", default: "x" }, "x"],
    [{ ...DURATION, default: 90_000 }, "1m30s"],
    [{ value: "SIZE", defaultText: "no limit" }, "no limit"],
    [{ value: "TEXT" }, undefined],
    [{}, undefined],
  ];
  for (const [option, text] of table) {
    assert.equal(defaultText({ flag: "--x", help: "x", ...option }), text);
  }
});

Deno.test("valuesOf() gives a part of a program its own values only", () => {
  const part = { insecure: serveOptions.insecure, format: serveOptions.format };
  const values = { insecure: true, format: "json", hubUri: "wss://h" } as const;
  assert.deepEqual(valuesOf(part, values), { insecure: true, format: "json" });
});

Deno.test("defineCommand() infers the values of its options", () => {
  defineCommand({
    name: "x",
    summary: "x",
    options: serveOptions,
    run: ({ options }) => {
      const typed: readonly [
        string,
        number,
        boolean,
        string[],
        "text" | "json",
        string | undefined,
      ] = [
        options.hubUri,
        options.pingIntervalMs,
        options.insecure,
        options.expose,
        options.format,
        options.server,
      ];
      return typed.length;
    },
  });
});

Deno.test("D3: an error on the terminal shows what a peer has sent, and does not obey it", async () => {
  const io = fakeIo();
  const program: Program = {
    name: "g",
    envPrefix: "G",
    version: "1.0.0",
    summary: "Fails",
    commands: [{
      name: "fail",
      summary: "Fails",
      run: () => {
        throw new UsageError("Bad \x9b2J\u202e\u2028name\nof two lines", { hint: "Ask \x1b[1mit" });
      },
    }],
  };
  await runProgram(program, ["fail"], { io, env: {}, signal: new AbortController().signal });
  assert.equal(
    io.err(),
    "error: Bad \\x9b2J\\u202e\\u2028name\nof two lines\nhint: Ask \\x1b[1mit\n",
  );
});

Deno.test("runProgram() ends at a signal when what was written before has left", async () => {
  const events: string[] = [];
  const left = new Promise<void>((resolve) => {
    setTimeout(() => {
      events.push("left");
      resolve();
    }, 0);
  });
  const controller = new AbortController();
  const io = fakeIo();
  const code = await runProgram(
    {
      name: "gthing",
      envPrefix: "GTHING",
      version: "1",
      summary: "Does things",
      commands: [{
        name: "wait",
        summary: "Waits",
        run({ signal }) {
          controller.abort(new SignalError("SIGINT"));
          throw signal.reason;
        },
      }],
    },
    ["wait"],
    {
      env: {},
      io: { ...io, stderr: { ...io.stderr, write: () => left } },
      signal: controller.signal,
    },
  );
  events.push("ended");
  assert.equal(code, 130);
  assert.deepEqual(events, ["left", "ended"]);
});
