/**
 * The demo of several hubs: a server has tunnels to two of three. One is killed, one is drained, and the
 * call still goes through; the one that was killed is started again, and its server comes back.
 *
 * @module
 */
import { call, type DemoStage } from "./call.ts";
import { DemoProgram } from "./programs.ts";
import { command, note, output, title } from "./show.ts";

/** One letter each. */
const LETTERS = "abcdefgh";
/** More hubs show nothing more. */
export const MOST_HUBS = LETTERS.length;
/** Hubs that a server holds, unless told otherwise. */
const HELD = 2;

/** A hub of the demo. */
interface DemoHub {
  readonly name: string;
  readonly callAddress: string;
  readonly tunnelUri: string;
  program: DemoProgram;
}

/** Plays it with this many hubs. */
export async function playHubs(stage: DemoStage, count: number): Promise<void> {
  const { dir, signal } = stage;
  await using programs = new AsyncDisposableStack();
  const startHub = async (name: string, tunnel: string, calls: string): Promise<DemoHub> => {
    const listen = ["--tunnel-listen", tunnel, "--call-listen", calls];
    command(`ghub ${listen.join(" ")}`);
    const program = new DemoProgram("ghub", [...listen, "--state-dir", `${dir}/${name}`]);
    programs.use(program);
    const ready = await program.ready(signal);
    output(ready);
    const [, tunnelUri = "", callAddress = ""] = /tunnel=(\S+) call=(\S+)/.exec(ready) ?? [];
    return { name, callAddress, tunnelUri, program };
  };

  title(`${count} hubs that know nothing of each other`);
  const hubs: DemoHub[] = [];
  for (const letter of LETTERS.slice(0, count)) {
    hubs.push(await startHub(`hub-${letter}`, "127.0.0.1:0", "127.0.0.1:0"));
  }
  stage.callAddress = hubs.map(({ callAddress }) => callAddress).join(",");

  title("The server dials out to them, and holds the two that it prefers");
  const uris = hubs.flatMap(({ tunnelUri }) => ["--hub-uri", tunnelUri]);
  command(`gserver serve edge-1 ${uris.join(" ")}`);
  const server = programs.use(
    new DemoProgram("gserver", [
      ...["serve", "edge-1", ...uris, "--proxy", "direct", "--fluentd-manager", "none"],
      ...["--state-dir", `${dir}/gserver`],
    ]),
  );
  output(await server.ready(signal));
  await server.says(new RegExp(`has tunnels at ${HELD} of ${HELD} hubs`), signal);
  await servers(stage, `one server, with tunnels at ${HELD} hubs`);
  await check(stage, "the server answers");

  const held = hubs.filter((hub) => server.hasSaid(readyAt([hub])));
  const [killed, drained] = held;
  if (killed === undefined || drained === undefined) throw new Error("There are no two tunnels");
  title(`A hub dies: kill -9 at ${killed.name}`);
  await killed.program.kill();
  await check(stage, "the call goes through another hub");
  await server.says(readyAt(hubs.filter((hub) => !held.includes(hub))), signal);
  note("The server has opened a tunnel to the hub that it did not use before");

  title(`Another hub is updated at noon: SIGTERM at ${drained.name}`);
  await drained.program[Symbol.asyncDispose]();
  note("It has let its calls end, and has exited");
  await check(stage, "the call goes through the hub that is left");

  title("The hub that died is started again");
  const tunnel = new URL(killed.tunnelUri).host;
  await startHub(killed.name, tunnel, killed.callAddress);
  await call({ ...stage, callAddress: killed.callAddress }, [
    ...["call", "grpc.health.v1.Health/Check", "edge-1", "-d", "{}", "--wait-for-server", "90s"],
  ], { text: /SERVING/, meaning: "its server has come back to it, without anybody's help" });

  title("The end");
  note("SIGTERM to all programs: they finish what is in flight and exit");
}

/** A call to the server, by whichever hub takes it. */
async function check(stage: DemoStage, meaning: string): Promise<void> {
  await call(stage, ["call", "grpc.health.v1.Health/Check", "edge-1", "-d", "{}"], {
    text: /SERVING/,
    meaning,
  });
}

async function servers(stage: DemoStage, meaning: string): Promise<void> {
  await call(stage, ["hub", "servers", "-n", "-o", "table"], {
    text: /edge-1\s+ONLINE\s+\S+,\S+/,
    meaning,
  });
}

/** That the server has said to have a tunnel at one of these hubs. */
function readyAt(hubs: readonly DemoHub[]): RegExp {
  const uris = hubs.map(({ tunnelUri }) => tunnelUri).join("|");
  return new RegExp(`ready server=edge-1 hub=(${uris})$`, "m");
}
