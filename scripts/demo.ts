/**
 * `deno task demo`: a hub, a server and a Fluentd on this machine, for a minute. It calls that
 * Fluentd as an operator would, in each format, and shows that the answers are true: also for a start
 * that fails. With `--hubs 3` it shows that no hub's death loses a server. The exit code is 0 only if
 * everything was as it should be.
 *
 * @module
 */
import { SignalError } from "../shared/cli/signals.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { saveCertificate } from "../shared/tls/save.ts";
import { type Context, defineCommand } from "../shared/cli/command.ts";
import type { Options } from "../shared/cli/option.ts";
import { count } from "../shared/cli/parse_count.ts";
import { runScript } from "./script.ts";
import { call, type DemoStage } from "./demo/call.ts";
import { DemoProgram, endLeftovers } from "./demo/programs.ts";
import { MOST_HUBS, playHubs } from "./demo/several_hubs.ts";
import { command, good, note, output, title } from "./demo/show.ts";

const options = {
  standIn: {
    flag: "--stand-in",
    perRun: true,
    help: "Uses the stand-in for Fluentd even if Fluentd is installed",
  },
  hubs: {
    flag: "--hubs",
    ...count({ from: 3, to: MOST_HUBS }),
    perRun: true,
    help: `Shows a server with 3 to ${MOST_HUBS} hubs in place of Fluentd: one is killed, one is ` +
      "drained, and calls still go through",
  },
} as const satisfies Options;

const demo = defineCommand({
  name: "demo",
  summary: "Starts a hub, a server and a Fluentd, and controls it through them",
  description:
    "Starts a hub, a server and a Fluentd on free ports, with files in a temporary folder only, " +
    "controls that Fluentd through the hub, and cleans up.",
  options,
  run,
});

const GOOD_CONFIG = `<source>
  @type sample
  tag demo
</source>
<match demo>
  @type null
</match>
`;
const BAD_CONFIG = GOOD_CONFIG.replace("@type null", "@type no_such_plugin");

/** Exit codes of gclient: what was asked for failed; FAILED_PRECONDITION of gRPC (64 + 9). */
const OUTCOME_FAILED = 3;
const FAILED_PRECONDITION = 73;

async function hasFluentd(): Promise<boolean> {
  try {
    return (await new Deno.Command("fluentd", { args: ["--version"], stdout: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The command that the server is to manage. */
async function fluentdCommand(dir: string, standIn: boolean): Promise<string> {
  if (!standIn && await hasFluentd()) {
    note("Fluentd is installed: the server will manage a real one");
    return "fluentd";
  }
  note(`${standIn ? "As asked" : "Fluentd is not installed"}: the server will manage a stand-in,`);
  note("which starts, stops and fails like Fluentd, but collects nothing");
  const path = `${dir}/stand-in-for-fluentd`;
  const script = new URL("./demo/stand_in.ts", import.meta.url).pathname;
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const line = `exec ${quote(Deno.execPath())} run -A --quiet ${quote(script)} "$@"`;
  await Deno.writeTextFile(path, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  return path;
}

async function play(stage: DemoStage, standIn: boolean): Promise<void> {
  const { dir, signal } = stage;
  const config = `${dir}/fluent.conf`;
  await Deno.writeTextFile(config, GOOD_CONFIG);
  title("A Fluentd on a machine that nobody can dial");
  const fluentd = await fluentdCommand(dir, standIn);

  title("The hub, with a certificate made just now");
  const certificate = await generateCertificate(["localhost", "127.0.0.1"], { days: 1 });
  saveCertificate(certificate, { certFile: `${dir}/hub.crt`, keyFile: `${dir}/hub.key` });
  const listen = ["--tunnel-listen", "127.0.0.1:0", "--call-listen", "127.0.0.1:0"];
  command(`ghub --tls-cert hub.crt ${listen.join(" ")}`);
  const state = ["--state-dir", `${dir}/ghub`];
  await using hub = new DemoProgram("ghub", ["--tls-cert", `${dir}/hub.crt`, ...listen, ...state]);
  const ready = await hub.ready(signal);
  output(ready);
  const [, tunnel = "", callAddress = ""] = /tunnel=(\S+) call=(\S+)/.exec(ready) ?? [];
  stage.callAddress = callAddress;

  title("The server dials out to it");
  command(`gserver serve edge-1 --hub-uri ${tunnel} --tls-ca-cert-file hub.crt`);
  await using server = new DemoProgram("gserver", [
    ...["serve", "edge-1", "--hub-uri", tunnel, "--tls-ca-cert-file", `${dir}/hub.crt`],
    ...["--proxy", "direct", "--state-dir", `${dir}/gserver`, "--fluentd-manager", "spawn"],
    ...["--fluentd-command", fluentd, "--fluentd-config", config],
  ]);
  output(await server.ready(signal));
  await calls(stage, config);

  title("The end");
  note("SIGTERM to both programs: they finish what is in flight and exit");
}

/** What an operator does, from anywhere that reaches the hub's call port. */
async function calls(stage: DemoStage, config: string): Promise<void> {
  title("The operator calls: JSON on standard input");
  await call(stage, ["hub", "servers", "-o", "table"], {
    text: /edge-1/,
    meaning: "the server is there",
  });
  await call(stage, ["fluentd", "start", "-o", "json"], {
    // Longer than by itself: this may be a slow and busy machine.
    stdin: '{"wait":"120s"}',
    text: /"status":"SUCCESS"/,
    meaning: "SUCCESS: Fluentd's worker has said that it runs",
  });

  title("XML from a file");
  const xml = "<StartRequest><reason>a second try</reason></StartRequest>";
  await Deno.writeTextFile(`${stage.dir}/req.xml`, `${xml}\n`);
  note(`req.xml: ${xml}`);
  await call(stage, ["fluentd", "start", "edge-1", "-f", "req.xml", "-o", "xml"], {
    text: /<status>NOCHANGE<\/status>/,
    meaning: "NOCHANGE: it runs already",
  });

  title("A table for people, by the JSON handshake instead of routing");
  await call(stage, ["fluentd", "status", "edge-1", "-o", "table", "--raw"], {
    text: /HEALTHY/,
    meaning: "it is healthy",
  });

  title("YAML from a file");
  await Deno.writeTextFile(`${stage.dir}/req.yaml`, "reason: time for a new config\n");
  note("req.yaml: reason: time for a new config");
  await call(stage, ["fluentd", "stop", "edge-1", "-f", "req.yaml", "-o", "yaml"], {
    text: /^status: SUCCESS$/m,
    meaning: "SUCCESS: no process of it is left",
  });

  title("Starts that cannot work, and say so");
  await Deno.writeTextFile(config, BAD_CONFIG);
  note("fluent.conf now has: @type no_such_plugin");
  await call(stage, ["fluentd", "start", "edge-1"], {
    code: FAILED_PRECONDITION,
    text: /no_such_plugin/,
    meaning: "refused: Fluentd's own check found the mistake, nothing was started",
  });
  const skip = ["--set", "skipValidate=true"];
  await call(stage, ["fluentd", "start", "edge-1", ...skip, "-o", "yaml"], {
    code: OUTCOME_FAILED,
    text: /^status: FAILED$/m,
    meaning: "FAILED, with what Fluentd said: it was started all the same, and ended",
  });

  title("The config is mended");
  await Deno.writeTextFile(config, GOOD_CONFIG);
  await call(stage, ["fluentd", "restart", "edge-1", "-o", "json"], {
    text: /"status":"SUCCESS"/,
    meaning: "SUCCESS: it runs again",
  });
  await call(stage, ["fluentd", "stop", "edge-1", "-o", "json"], {
    text: /"status":"SUCCESS"/,
    meaning: "SUCCESS: stopped",
  });
}

async function run(
  { options: { standIn, hubs }, signal }: Context<typeof options>,
): Promise<number> {
  const dir = await Deno.makeTempDir({ prefix: "ghub-demo-" });
  const stage = { dir, signal, callAddress: "", failures: 0 };
  try {
    if (hubs === undefined) await play(stage, standIn);
    else await playHubs(stage, hubs);
  } catch (error) {
    if (!(error instanceof SignalError)) throw error;
    note(`${error.message}: cleaning up`);
    return error.exitCode;
  } finally {
    await endLeftovers(dir);
    await Deno.remove(dir, { recursive: true });
  }
  if (stage.failures > 0) throw new Error(`${stage.failures} steps were not as they should be`);
  good("everything was as it should be, and nothing is left behind");
  return 0;
}

if (import.meta.main) {
  const controller = new AbortController();
  // Not the first one only: Ctrl-C comes from the terminal and from `deno task`, and nobody wants
  // the second to keep this from cleaning up.
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => controller.abort(new SignalError(name)));
  }
  await runScript(demo, { signal: controller.signal });
}
