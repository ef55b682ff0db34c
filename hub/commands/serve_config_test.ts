import assert from "node:assert/strict";
import { runProgram } from "../../shared/cli/program.ts";
import { defineCommand, type Program } from "../../shared/cli/command.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import { defaultStateDir, type HubConfig, toConfig } from "./serve_config.ts";
import { options } from "./serve_options.ts";

/** A folder with a certificate, which is also the HOME. */
class World implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync();
  stderr = "";

  async certificate(): Promise<void> {
    const { cert, key } = await generateCertificate(["localhost"]);
    Deno.writeTextFileSync(`${this.folder}/hub.crt`, cert);
    Deno.writeTextFileSync(`${this.folder}/hub.key`, key, { mode: 0o600 });
  }

  /** What a command line means, or the exit code if it means nothing. */
  async config(...args: string[]): Promise<HubConfig | number> {
    let config: HubConfig | undefined;
    const program: Program = {
      name: "ghub",
      envPrefix: "GHUB",
      version: "0",
      summary: "",
      defaultCommand: "serve",
      commands: [defineCommand({
        name: "serve",
        summary: "",
        options,
        async run(context) {
          config = await toConfig(context.options, context.env, () => false);
          return 0;
        },
      })],
    };
    const write = (text: string) => {
      this.stderr += text;
      return Promise.resolve();
    };
    const output = { write, isTerminal: false, color: false };
    const code = await runProgram(program, args, {
      env: { HOME: this.folder },
      io: { stdout: output, stderr: output },
      signal: new AbortController().signal,
    });
    return config ?? code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("toConfig() has the defaults of the documentation", async () => {
  await using world = new World();
  const config = await world.config();
  assert.ok(typeof config === "object", world.stderr);
  const { hub, certificate, warnings } = config;
  assert.equal(certificate, undefined);
  assert.deepEqual(warnings, []);
  const { tunnelListen, callListen, ...others } = hub;
  assert.equal(tunnelListen.port, 8080);
  assert.equal(callListen.port, 9090);
  assert.match(tunnelListen.hostname, /^(::|0\.0\.0\.0)$/);
  assert.deepEqual(others, {
    tunnelTls: undefined,
    callTls: undefined,
    peers: undefined,
    cluster: undefined,
    stateDir: `${world.folder}/.local/state/ghub`,
    allowPlaintextCalls: false,
    auditLog: `${world.folder}/.local/state/ghub/audit.jsonl`,
    audit: { maxBytes: 64 * 1024 * 1024, maxFiles: 10 },
    authFile: undefined,
    tunnels: {
      tunnelPath: "/ws",
      pingIntervalMs: 5_000,
      deadAfterMs: 15_000,
      reconnectSpreadMs: 1_000,
      maxHandshakesPerS: 200,
    },
    limits: {
      maxCallsPerOperator: 5_000,
      maxCallsPerServer: 5_000,
      maxMemoryBytes: 2 ** 31,
      maxBytesPerSPerOperator: undefined,
      maxBytesPerSPerServer: undefined,
      maxBufferedBytesPerOperator: undefined,
      maxStreamsPerConnection: 1_000,
    },
    trustLoopback: true,
  });
});

Deno.test("toConfig() encrypts what was asked for, and nothing by accident", async (t) => {
  await using world = new World();
  await world.certificate();
  const crt = `${world.folder}/hub.crt`;
  const key = `${world.folder}/hub.key`;
  const table: [args: string[], tunnel: boolean, call: boolean][] = [
    [["--tls-cert", crt], true, false],
    [["--tls-cert", crt, "--call-tls"], true, true],
    [["--tls", "--tls-cert-file", crt, "--tls-key-file", key], true, false],
    [["--tls", "--tls-cert-file", crt], true, false],
    [["--call-tls", "--tls-cert-file", crt, "--tls-key-file", key], false, true],
    [[], false, false],
  ];
  for (const [args, tunnel, call] of table) {
    await t.step(args.map((arg) => arg.replace(world.folder, "")).join(" ") || "none", async () => {
      const config = await world.config(...args);
      assert.ok(typeof config === "object", world.stderr);
      assert.equal(config.hub.tunnelTls !== undefined, tunnel);
      assert.equal(config.hub.callTls !== undefined, call);
      if (tunnel || call) assert.deepEqual(config.certificate?.authority, { file: crt });
    });
  }
});

Deno.test("toConfig() refuses what makes no sense, with exit code 2, or 1 for files", async (t) => {
  const table: [args: string[], code: number, says: RegExp][] = [
    [["--tls"], 2, /--tls needs a certificate/],
    [["--call-tls"], 2, /--call-tls needs a certificate/],
    [["--tls-key-file", "x"], 2, /--tls-key-file needs a certificate/],
    [["--tls-cert-file", "x"], 2, /does nothing without --tls/],
    [["--tls-cert", "x", "--tls-cert-file", "y"], 2, /give one of them/],
    [["--tls-cert", "/nowhere/x.crt"], 1, /"\/nowhere\/x\.crt": there is no such file/],
    [["--dead-after", "6s"], 2, /at least twice --ping-interval/],
    [["--ping-interval", "0"], 2, /too short/],
    [["--tunnel-path", "ws"], 2, /"ws" is not a path/],
    [["--tunnel-path", "/ws?x"], 2, /not a path/],
    [["--tunnel-listen", "8080"], 2, /not an address/],
    [["--tunnel-listen", ":9090"], 2, /must differ/],
    [["--max-streams-per-connection", "0"], 2, /not a number from 1/],
    [["--max-streams-per-connection", "1e3"], 2, /not a number from 1/],
    [["--log-level", "loud"], 2, /loud/],
  ];
  for (const [args, code, says] of table) {
    await t.step(args.join(" "), async () => {
      await using world = new World();
      assert.equal(await world.config(...args), code);
      assert.match(world.stderr, says);
    });
  }
});

Deno.test("toConfig() starts without a HOME or a writable one, and says what that means", async (t) => {
  await using world = new World();
  const config = await world.config();
  assert.ok(typeof config === "object");
  const { values } = await parsedDefaults();
  await t.step("none", async () => {
    const { hub, warnings } = await toConfig(values, {}, () => false);
    assert.equal(hub.stateDir, undefined);
    assert.match(warnings.join(), /no HOME .*only loopback gets in; .*--state-dir/);
  });
  await t.step("not a folder", async () => {
    Deno.writeTextFileSync(`${world.folder}/file`, "");
    const { hub, warnings } = await toConfig(values, { HOME: `${world.folder}/file` }, () => false);
    assert.equal(hub.stateDir, undefined);
    assert.match(warnings.join(), /Cannot write to .*only loopback gets in/);
  });
});

/** The options as they are when none is given. */
async function parsedDefaults() {
  let values!: Parameters<typeof toConfig>[0];
  const serve = defineCommand({
    name: "serve",
    summary: "",
    options,
    run: (context) => {
      values = context.options;
      return 0;
    },
  });
  const program: Program = {
    name: "ghub",
    envPrefix: "GHUB",
    version: "0",
    summary: "",
    defaultCommand: "serve",
    commands: [serve],
  };
  await runProgram(program, [], { env: {}, signal: new AbortController().signal });
  return { values };
}

Deno.test("defaultStateDir() follows systemd, then XDG, then HOME", async (t) => {
  const table: [env: Record<string, string>, folder: string | undefined][] = [
    [{ STATE_DIRECTORY: "/var/lib/ghub:/b", XDG_STATE_HOME: "/x", HOME: "/h" }, "/var/lib/ghub"],
    [{ XDG_STATE_HOME: "/x", HOME: "/h" }, "/x/ghub"],
    [{ XDG_STATE_HOME: "relative", HOME: "/h" }, "/h/.local/state/ghub"],
    [{ HOME: "/h" }, "/h/.local/state/ghub"],
    [{ HOME: "" }, undefined],
    [{}, undefined],
  ];
  for (const [env, folder] of table) {
    await t.step(JSON.stringify(env), () => assert.equal(defaultStateDir(env), folder));
  }
});

Deno.test("--workers is a number of threads, or one for each core, and no cluster", async (t) => {
  await using world = new World();
  const workers = async (...args: string[]) => {
    const config = await world.config(...args);
    return typeof config === "object" ? config.workers : config;
  };
  const cases: [args: string[], expected: number][] = [
    [[], 1],
    [["--workers", "3"], 3],
    [["--workers", "auto"], navigator.hardwareConcurrency],
    [["--workers", "0"], 2],
    [["--workers", "65"], 2],
    [["--workers", "many"], 2],
    [["--workers", "2", "--cluster", "etcd://127.0.0.1:2379/site"], 2],
  ];
  for (const [args, expected] of cases) {
    await t.step(args.join(" ") || "nothing", async () => {
      assert.equal(await workers(...args), expected, world.stderr);
    });
  }
  assert.match(world.stderr, /workers are a cluster already/);
});
