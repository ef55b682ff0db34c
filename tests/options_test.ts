/**
 * Every option of the three programs, by the same rules: one name in its three forms, one value from
 * all of them, and one default, which help shows and the part has that uses it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { WATCH_INTERVAL_MS } from "../client/commands/watch.ts";
import { program as client } from "../client/program.ts";
import { AUDIT_FILE } from "../hub/audit/file.ts";
import { LIMITS, Limits } from "../hub/limits/limits.ts";
import { program as hub } from "../hub/main.ts";
import { TUNNEL_PORT } from "../hub/tunnels/tunnel_port_options.ts";
import { DIAL_TIMEOUT_MS } from "../server/dial/dial.ts";
import { FLUENTD } from "../server/fluentd/mod.ts";
import { createProgram } from "../server/main.ts";
import { HEARTBEAT } from "../server/server.ts";
import { MAX_MESSAGE_BYTES } from "../server/serving/grpc_server.ts";
import { DRAIN_TIMEOUT_MS } from "../server/tunnel/agent.ts";
import type { Command, Program } from "../shared/cli/command.ts";
import { LOG } from "../shared/cli/log.ts";
import { defaultText, envName, type Option } from "../shared/cli/option.ts";
import { parse, type Parsed } from "../shared/cli/parse.ts";
import { UsageError } from "../shared/cli/usage_error.ts";
import { USUAL_ADDRESS } from "../shared/registration/usual_address.ts";
import { DEFAULT_DAYS, MAX_DAYS } from "../shared/tls/generate.ts";

const PROGRAMS: readonly Program[] = [hub, createProgram(), client];

/** An option where it is used first. */
interface Used {
  readonly program: Program;
  /** The command's words, and something for each argument. */
  readonly words: readonly string[];
  readonly key: string;
  readonly option: Option;
  readonly title: string;
}

function* leaves(
  commands: readonly Command[],
  path: readonly string[] = [],
): Generator<[path: readonly string[], command: Command]> {
  for (const command of commands) {
    const words = [...path, command.name];
    if (command.run !== undefined) yield [words, command];
    yield* leaves(command.commands ?? [], words);
  }
}

/** All options: one that several commands share, or describe in other words, counts once. */
function allOptions(): Used[] {
  const found = new Map<string, Used>();
  for (const program of PROGRAMS) {
    for (const [path, { args = [], options = {} }] of leaves(program.commands)) {
      const words = [...path, ...args.filter(({ optional }) => !optional).map(() => "x")];
      for (const [key, option] of Object.entries(options)) {
        const { flag, perRun = false, default: value } = option;
        const title = `${program.name} ${path.join(" ")} ${flag}`;
        const id = JSON.stringify([program.name, key, flag, perRun, value]);
        if (!found.has(id)) found.set(id, { program, words, key, option, title });
      }
    }
  }
  return [...found.values()];
}

const OPTIONS = allOptions();

/** What may stand after a flag whose value is called so. It is no default of any of them. */
const SAMPLES: Readonly<Record<string, string>> = {
  "HOST:PORT": "127.0.0.1:4711",
  ADDRESS: "127.0.0.1:4711",
  COMMAND: "fluentd -v",
  DURATION: "7m",
  SIZE: "777MiB",
  NUMBER: "7",
  N: "7",
  "N|N%": "7%",
  URI: "wss://hub.example:4711/tunnel",
  CLUSTER: "etcd://etcd.example:4711/site-1",
  HUB: "hub-7",
  URL: "http://proxy.example:3128",
  "URL|direct": "http://proxy.example:3128",
  PATH: "/tunnel",
  PIN: "A".repeat(43) + "=",
  LABELS: "env=prod",
  SELECTOR: "env=prod",
  HASH: `sha256:${"a".repeat(64)}`,
  "KEY=VALUE": "env=prod",
  "KEY=VALUE|@FILE": "env=prod",
  "KEY=VALUE,…": "env=prod",
  "NAME=ADDRESS": "payments=127.0.0.1:50051",
  "NAME=FILE": "payments=/etc/x.pem",
  "NAME=HOST": "payments=payments.example",
};

function sample({ value, choices, default: usual }: Option): string {
  return choices?.find((choice) => choice !== usual) ?? SAMPLES[value ?? ""] ?? "/etc/x";
}

const stdout = { isTerminal: false, color: false, write: () => Promise.resolve() };

async function valueOf(
  { program, words, key }: Used,
  { args = [], env = {} }: { args?: readonly string[]; env?: Record<string, string> },
): Promise<unknown> {
  const parsed = await parse(program, [...words, ...args], { env, stdout });
  return (parsed as Parsed).options[key];
}

/** Whether no other command has an option that a config file may name so. */
function isRefused({ program, option: { flag } }: Used): boolean {
  return !OPTIONS.some((other) =>
    other.program === program && other.option.flag === flag && !other.option.perRun
  );
}

async function inFile<T>(text: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(path, text);
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("an option has an environment variable and a config key, named as its flag is; or it is of one run", async (t) => {
  assert.ok(OPTIONS.length > 100, `found ${OPTIONS.length} options`);
  for (const { program, option, title } of OPTIONS) {
    await t.step(title, () => {
      assert.match(option.flag, /^--[a-z0-9]+(-[a-z0-9]+)*$/);
      assert.equal(
        envName(option, program.envPrefix),
        option.perRun
          ? undefined
          : `${program.name.toUpperCase()}_${
            option.flag.slice(2).toUpperCase().replaceAll("-", "_")
          }`,
      );
    });
  }
});

Deno.test("flag, environment variable and config file give an option the same value", async (t) => {
  for (const used of OPTIONS) {
    const { program, option } = used;
    await t.step(used.title, async () => {
      const isFlag = option.value === undefined;
      const text = isFlag ? "true" : sample(option);
      const flag = await valueOf(used, { args: isFlag ? [option.flag] : [option.flag, text] });
      assert.notDeepEqual(flag, await valueOf(used, {}), "the sample is the default");
      const name = `${program.envPrefix}_${
        option.flag.slice(2).toUpperCase().replaceAll("-", "_")
      }`;
      const env = await valueOf(used, { env: { [name]: text } });
      const file = inFile(
        `${option.flag.slice(2)}: ${JSON.stringify(text)}\n`,
        (path) => valueOf(used, { args: ["--config", path] }),
      );
      if (option.perRun) {
        assert.deepEqual(env, await valueOf(used, {}));
        if (isRefused(used)) return await assert.rejects(file, UsageError);
        assert.deepEqual(await file, await valueOf(used, {}));
        return;
      }
      assert.deepEqual(env, flag);
      assert.deepEqual(await file, flag);
    });
  }
});

Deno.test("options of one program that share a flag share its form, because they share variable and key", () => {
  const forms = new Map<string, string>();
  for (const { program, option: { flag, value, many = false, perRun }, title } of OPTIONS) {
    if (perRun) continue;
    const id = `${program.name} ${flag}`;
    const form = JSON.stringify([value, many]);
    assert.equal(forms.get(id) ?? form, form, title);
    forms.set(id, form);
  }
});

Deno.test("help shows the default that an option has, in words that the option reads as that", async (t) => {
  const helps = new Map<string, string>();
  for (const { program, words, option, title } of OPTIONS) {
    const line = [...words, "--help"];
    const id = [program.name, ...line].join(" ");
    if (!helps.has(id)) {
      const printed = await parse(program, line, { env: {}, stdout });
      assert.ok("text" in printed);
      helps.set(id, printed.text.replaceAll(/\s+/g, " "));
    }
    await t.step(title, () => {
      const { default: value, parse = String, many } = option;
      const text = defaultText(option);
      if (value !== undefined) {
        assert.equal(option.defaultText, undefined, "two places say what the default is");
        assert.deepEqual(many ? [parse(text!)] : parse(text!), value);
      }
      if (option.hidden) return;
      const shown = helps.get(id)!.slice(helps.get(id)!.indexOf(option.help));
      const facts = /^ \(([^]*?)\)(?= |$)/.exec(shown.slice(option.help.length))?.[1] ?? "";
      assert.equal(facts.includes("default "), text !== undefined && text !== "", facts);
      if (text) assert.ok(facts.includes(`default ${text}`), facts);
    });
  }
});

/** Who has a default: what the part does that was told nothing. Options that are not here have none of their own. */
const OWNED: Readonly<Record<string, unknown>> = {
  "ghub --tunnel-listen": { host: "", port: USUAL_ADDRESS.tunnelPort },
  "ghub --tunnel-path": TUNNEL_PORT.tunnelPath,
  "ghub --call-listen": { host: "", port: USUAL_ADDRESS.callPort },
  "ghub --ping-interval": TUNNEL_PORT.pingIntervalMs,
  "ghub --dead-after": TUNNEL_PORT.deadAfterMs,
  "ghub --reconnect-spread": TUNNEL_PORT.reconnectSpreadMs,
  "ghub --max-handshakes-per-second": TUNNEL_PORT.maxHandshakesPerS,
  "ghub --max-calls-per-operator": LIMITS.maxCallsPerOperator,
  "ghub --max-calls-per-server": LIMITS.maxCallsPerServer,
  "ghub --max-memory": new Limits().usage().maxMemoryBytes,
  "ghub --max-streams-per-connection": new Limits().maxStreamsPerConnection,
  "ghub --audit-max-size": AUDIT_FILE.maxBytes,
  "ghub --audit-files": AUDIT_FILE.maxFiles,
  "ghub --log-level": LOG.level,
  "ghub --log-format": LOG.format,
  "gserver --hub-uri": [[new URL(`wss://localhost:${USUAL_ADDRESS.tunnelPort}/ws`)]],
  "gserver --fluentd-manager": FLUENTD.manager,
  "gserver --fluentd-command": FLUENTD.command,
  "gserver --fluentd-unit": FLUENTD.unit,
  "gserver --ping-interval": HEARTBEAT.pingIntervalMs,
  "gserver --dead-after": HEARTBEAT.deadAfterMs,
  "gserver --handshake-timeout": DIAL_TIMEOUT_MS,
  "gserver --drain-timeout": DRAIN_TIMEOUT_MS,
  "gserver --max-message": MAX_MESSAGE_BYTES,
  "gserver --log-level": LOG.level,
  "gserver --log-format": LOG.format,
  "gclient --server-addr": [[{ host: "localhost", port: USUAL_ADDRESS.callPort }]],
  "gclient --interval": WATCH_INTERVAL_MS,
};

/** No part has these: what is told nothing has no such thing, or takes the option's value alone. */
const OF_THE_OPTION: readonly string[] = [
  "ghub --trust-loopback",
  "ghub --drain-timeout",
  "ghub --workers",
  "ghub --out",
  "ghub --days",
  "ghub --name",
  "ghub --keep",
  "gclient --connect-timeout",
  "gclient --retry",
  "gclient --parallel",
  "gclient --canary",
  "gclient --max-failures",
  "gclient --history",
];

Deno.test("an option's default is the one of the part that uses it", () => {
  const seen = new Set<string>();
  for (const { program, option, title } of OPTIONS) {
    if (option.default === undefined) continue;
    const id = `${program.name} ${option.flag}`;
    seen.add(id);
    if (OF_THE_OPTION.includes(id)) continue;
    assert.ok(id in OWNED, `${title}: name the part that has this default too, in OWNED`);
    assert.deepEqual(option.default, OWNED[id], title);
  }
  for (const id of [...Object.keys(OWNED), ...OF_THE_OPTION]) {
    assert.ok(seen.has(id), `${id} has no default any more`);
  }
  const days = OPTIONS.filter(({ option }) => option.flag === "--days")
    .map(({ option }) => option.default);
  assert.deepEqual(new Set(days), new Set([DEFAULT_DAYS, MAX_DAYS]));
});
