/**
 * gRPC of others as programs, a server and a client each: Debian's grpcio for Python, and grpc-go.
 *
 * The Go one is built where it runs, from Debian's packages alone: without modules and without network.
 * The result is kept in the user's cache under a name that tells what it was built from, so that it is
 * built once.
 *
 * @module
 */
import { Process, REPOSITORY } from "./process.ts";

const PYTHON = "/usr/bin/python3";
const GO_SOURCES = `${REPOSITORY}tests/foreign/go`;
/** Where Debian's golang-*-dev packages put their sources. */
const GO_PATH = "/usr/share/gocode";
const GRPC_GO = `${GO_PATH}/src/google.golang.org/grpc/version.go`;
/** What is compiled without optimizing, which takes three quarters of the time. */
const QUICK = ["google.golang.org/...", "golang.org/...", "github.com/..."];
/** What the Go server serves: its reflection hands these out as `protoc` has compiled them. */
const PROTOS = [
  ["proto", "echo/v1/echo.proto"],
  ["tests/foreign", "talk.proto"],
] as const;

/** A gRPC stack of others. */
export interface ForeignStack {
  readonly name: "grpcio" | "grpc-go";
  /** Whether it is not here: then its tests are ignored, and this has said so. */
  readonly isMissing: boolean;
  /** Starts its Echo server. */
  serve(...options: string[]): Promise<Started>;
  /** Starts its client, which {@linkcode ForeignCaller} steers. */
  call(address: string, env?: Readonly<Record<string, string>>): Promise<Started>;
}

/** A program that listens. */
export interface Started extends AsyncDisposable {
  readonly address: string;
}

export const grpcio: ForeignStack = {
  name: "grpcio",
  isMissing: isMissing({
    name: "grpcio",
    packages: "python3-grpcio",
    variable: "GHUB_REQUIRE_GRPCIO",
    commands: [[PYTHON, "-c", "import grpc"]],
  }),
  serve: (...options) =>
    start("grpcio server", PYTHON, [`${REPOSITORY}tests/foreign/python/serve.py`, ...options]),
  call: (address, env) =>
    start("grpcio client", PYTHON, [`${REPOSITORY}tests/foreign/python/call.py`, address], env),
};

export const grpcGo: ForeignStack = {
  name: "grpc-go",
  isMissing: isMissing({
    name: "grpc-go",
    packages: "golang-go golang-google-grpc-dev protobuf-compiler",
    variable: "GHUB_REQUIRE_GRPC_GO",
    commands: [["go", "version"], ["protoc", "--version"], ["test", "-f", GRPC_GO]],
  }),
  async serve() {
    const { program, protoset } = await build();
    return await start("grpc-go server", program, ["serve", protoset]);
  },
  async call(address, env) {
    const { program } = await build();
    return await start("grpc-go client", program, ["call", address], env);
  },
};

interface Need {
  readonly name: string;
  readonly packages: string;
  readonly variable: string;
  readonly commands: readonly [command: string, ...args: string[]][];
}

/** @throws {Error} If it must be here. */
function isMissing({ name, packages, variable, commands }: Need): boolean {
  const works = ([command, ...args]: readonly [string, ...string[]]) => {
    try {
      return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync()
        .success;
    } catch {
      return false; // There is no such program.
    }
  };
  if (commands.every(works)) return false;
  const message = `There is no ${name} on this machine (Debian: ${packages})`;
  if (Deno.env.get(variable) === "1") throw new Error(`${message}, and ${variable}=1`);
  console.warn(`SKIPPED: ${message}`);
  return true;
}

async function start(
  name: string,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Started> {
  // Python would write what it has compiled beside the sources.
  const process = Process.start(name, command, args, {
    env: { PYTHONDONTWRITEBYTECODE: "1", ...env },
  });
  const [, address = ""] = await process.line(/^ready (\S+)$/);
  return { address, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

/** Builds the Go program, unless it has been built from the same files. */
async function build(): Promise<{ program: string; protoset: string }> {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  const dir = `${cache}/ghub-grpc-go-${await fingerprint()}`;
  await Deno.mkdir(dir, { recursive: true });
  const built = { program: `${dir}/peer`, protoset: `${dir}/peer.protoset` };
  // Files of tests run at once: one of them builds, and the others wait.
  using lock = await Deno.open(`${dir}/lock`, { create: true, write: true });
  await lock.lock(true);
  if (await isFile(built.program)) return built;
  const protoc = PROTOS.flatMap(([folder, file]) => ["-I", `${REPOSITORY}${folder}`, file]);
  await run("protoc", ["--include_imports", `--descriptor_set_out=${built.protoset}`, ...protoc]);
  const quick = QUICK.map((packages) => `-gcflags=${packages}=-N -l`);
  await run("go", ["build", ...quick, "-ldflags=-s -w", "-o", `${built.program}.new`, "."], {
    cwd: GO_SOURCES,
    env: { GO111MODULE: "off", GOPATH: GO_PATH, GOFLAGS: "", GOPROXY: "off" },
  });
  await Deno.rename(`${built.program}.new`, built.program);
  return built;
}

/** What the program is built from. */
async function fingerprint(): Promise<string> {
  const sources = [...Deno.readDirSync(GO_SOURCES)].map(({ name }) => `${GO_SOURCES}/${name}`);
  const protos = PROTOS.map(([folder, file]) => `${REPOSITORY}${folder}/${file}`);
  const texts = [...sources.sort(), ...protos, GRPC_GO].map((path) => Deno.readTextFileSync(path));
  const bytes = new TextEncoder().encode(texts.join("\0"));
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(digest).toHex().slice(0, 16);
}

async function run(
  command: string,
  args: readonly string[],
  { cwd = REPOSITORY, env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args: [...args], cwd, env })
    .output();
  if (!success) throw new Error(`Cannot run ${command}: ${new TextDecoder().decode(stderr)}`);
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}
