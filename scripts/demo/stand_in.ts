/**
 * A stand-in for Fluentd, for `deno task demo` on a machine without it. It collects nothing: it only
 * starts, stops and fails the way Fluentd does, and writes the log lines by which one knows.
 *
 *     stand_in.ts -c FILE             a supervisor with one worker, until SIGTERM
 *     stand_in.ts -c FILE --dry-run   checks the config: exit code 0, or 1 and an error
 *
 * A config is bad if it has a line `@type no_such_plugin`.
 *
 * @module
 */
const BAD = /^\s*@type\s+no_such_plugin\b/m;

function log(level: string, text: string): void {
  const time = new Date().toISOString().replace("T", " ").replace(/\..*/, " +0000");
  console.log(`${time} [${level}]: ${text}`);
}

function configPath(args: readonly string[]): string {
  const path = args[args.indexOf("-c") + 1];
  if (path === undefined || !args.includes("-c")) {
    throw new Error("Cannot start: -c FILE is missing");
  }
  return path;
}

function untilTerminated(): Promise<void> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 60_000);
    Deno.addSignalListener("SIGTERM", () => {
      clearInterval(alive);
      resolve();
    });
  });
}

/** Starts a worker, passes SIGTERM on to it, and ends when it has ended. */
async function supervise(args: readonly string[]): Promise<number> {
  // Before there is a worker: a supervisor that ends without passing it on leaves one behind.
  Deno.addSignalListener("SIGTERM", () => {
    log("info", "Received graceful stop");
    try {
      worker.kill("SIGTERM");
    } catch {
      // It has ended.
    }
  });
  log("info", "starting the stand-in for fluentd (it collects nothing)");
  const worker = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", import.meta.filename!, ...args, "--under-supervisor"],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  log("info", `#0 starting fluentd worker pid=${worker.pid} ppid=${Deno.pid} worker=0`);
  return (await worker.status).code;
}

async function work(): Promise<number> {
  // Before it says that it runs: then somebody may stop it.
  const terminated = untilTerminated();
  log("info", "#0 fluentd worker is now running worker=0");
  await terminated;
  log("info", "#0 shutting down fluentd worker worker=0");
  return 0;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--version")) {
    console.log("stand-in 0.0.0");
    return 0;
  }
  if (BAD.test(await Deno.readTextFile(configPath(args)))) {
    log("error", `config error file="${configPath(args)}" error="Unknown plugin no_such_plugin"`);
    return 1;
  }
  if (args.includes("--dry-run")) return 0;
  return await (args.includes("--under-supervisor") ? work() : supervise(args));
}

Deno.exit(await main(Deno.args));
