/**
 * A scripted hub for tests: a real gRPC server whose answers a test writes down, and that keeps what
 * it was sent.
 *
 * @module
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type {
  ghub_v1_Activity as Activity,
  ghub_v1_ListServersRequest as ListServersRequest,
  ghub_v1_ListServersResponse as ListServersResponse,
} from "../../shared/gen/types.ts";
import { CallMetadata, type MetadataEntry } from "../../shared/grpc/call_metadata.ts";
import {
  bidi,
  type BidiHandler,
  clientStream,
  type Handler,
  serverStream,
  unary,
} from "../../shared/grpc/handlers.ts";
import { addReflection } from "../../shared/grpc/reflection.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { peerHost } from "../../shared/grpc_js/implementation.ts";
import type { Status } from "../../shared/grpc/status.ts";
import { type Io, type Output, runProgram } from "../../shared/cli/program.ts";
import type { CertificatePair } from "../../shared/tls/generate.ts";
import { withoutGoaway } from "../../tests/support/without_goaway.ts";
import { program } from "../program.ts";

/** A call that came in. */
export interface SeenCall {
  readonly method: string;
  readonly request: object;
  readonly metadata: Record<string, MetadataEntry | undefined>;
  /** What was left of its time when it came. */
  readonly timeoutMs: number | undefined;
}

/** What the hub answers; a test replaces what it needs. */
export interface Script {
  /** Thrown by every method while it returns an error. */
  fail: (server: string) => { error: RpcError; trailers?: Record<string, string> } | undefined;
  start: object;
  stop: object;
  restart: object;
  status: object;
  servers: ListServersResponse | ((request: ListServersRequest) => ListServersResponse);
  activity: (signal: AbortSignal) => AsyncIterable<Activity>;
  /** Waits before an answer. */
  before: (signal: AbortSignal, server: string) => Promise<void>;
  /** Waits before a server is asked what it can do. */
  beforeReflection: () => Promise<void>;
}

/** Trailers of an error that the hub itself made, before it sent the call on. */
export const FROM_HUB = { "x-hub-hop": "hub", "x-hub-forwarded": "0" };
/** And after. */
export const LOST = { "x-hub-hop": "hub", "x-hub-forwarded": "1" };

export interface FakeHub extends AsyncDisposable {
  readonly port: number;
  readonly address: string;
  readonly calls: SeenCall[];
  readonly script: Script;
  /** How many connections have come. */
  readonly connections: () => number;
  /** Which servers were asked what they can do. */
  readonly reflected: () => string[];
}

export async function startFakeHub(certificate?: CertificatePair): Promise<FakeHub> {
  const calls: SeenCall[] = [];
  const script: Script = {
    fail: () => undefined,
    start: { status: "SUCCESS" },
    stop: { status: "SUCCESS" },
    restart: { status: "SUCCESS" },
    status: { state: { health: "HEALTHY" } },
    servers: { servers: [] },
    activity: async function* () {},
    before: () => Promise.resolve(),
    beforeReflection: () => Promise.resolve(),
  };
  const answer = (method: string, response: (request: object) => object) =>
    unary<object, object>(async (request, context) => {
      const { deadlineMs, metadata, trailers, signal } = context;
      const timeoutMs = deadlineMs === undefined ? undefined : deadlineMs - Date.now();
      calls.push({ method, request, metadata: firstOf(metadata), timeoutMs });
      const server = String(metadata.get("x-hub-server")[0] ?? "");
      await script.before(signal, server);
      const failure = script.fail(server);
      const extra = failure?.trailers ?? { "x-hub-hop": "server", "x-hub-forwarded": "1" };
      for (const [key, value] of Object.entries(extra)) trailers.add(key, value);
      const headers = new CallMetadata();
      headers.add("x-fake", "yes");
      context.sendHeaders(headers);
      if (failure !== undefined) throw failure.error;
      return response(request);
    });
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  const host = peerHost(server);
  host.addService("fluentd.v1.Fluentd", {
    Start: answer("Start", () => script.start),
    Stop: answer("Stop", () => script.stop),
    Restart: answer("Restart", () => script.restart),
    GetStatus: answer("GetStatus", () => script.status),
  });
  host.addService("ghub.v1.Hub", {
    ListServers: answer("ListServers", (request) => {
      const { servers } = script;
      return typeof servers === "function" ? servers(request) : servers;
    }),
    WatchActivity: serverStream<object, Activity>((request, { signal, metadata }) => {
      calls.push({
        method: "WatchActivity",
        request,
        metadata: firstOf(metadata),
        timeoutMs: undefined,
      });
      return script.activity(signal);
    }),
  });
  host.addService("echo.v1.Echo", ECHO);
  const reflected = new Set<string>();
  addReflection({
    addService: (name, { ServerReflectionInfo }) => {
      const { handle } = ServerReflectionInfo as Handler;
      host.addService(name, {
        ServerReflectionInfo: bidi<never, object>(async function* (requests, context) {
          reflected.add(String(context.metadata.get("x-hub-server")[0] ?? ""));
          await script.beforeReflection();
          yield* (handle as BidiHandler<never, object>)(requests, context);
        }),
      });
    },
  }, ["fluentd.v1.Fluentd", "ghub.v1.Hub", "echo.v1.Echo"]);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  let connections = 0;
  const serve = (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.setNoDelay(true);
    injector.injectConnection(withoutGoaway(socket));
  };
  // Not grpc-js's own listener: in Deno it cannot serve TLS, and a caller's GOAWAY can end the tests.
  const listener: NetServer = certificate === undefined
    ? createServer(serve)
    : createTlsServer({ ...certificate, ALPNProtocols: ["h2"] }, serve);
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as AddressInfo;
  return {
    port,
    address: `127.0.0.1:${port}`,
    calls,
    script,
    connections: () => connections,
    reflected: () => [...reflected],
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** The first value of each name. */
function firstOf(metadata: CallMetadata): SeenCall["metadata"] {
  return Object.fromEntries(metadata.keys().map((key) => [key, metadata.get(key)[0]]));
}

interface EchoMessage {
  readonly data?: Uint8Array;
  readonly count?: number;
  readonly failCode?: number;
  readonly failMessage?: string;
}

const ECHO = {
  Unary: unary<EchoMessage, EchoMessage>((request) => {
    failIfAsked(request);
    return { data: request.data ?? new Uint8Array() };
  }),
  ServerStream: serverStream<EchoMessage, object>(async function* (request) {
    for (let index = 0; index < (request.count ?? 0); index++) yield { index };
    failIfAsked(request);
  }),
  ClientStream: clientStream<EchoMessage, object>(async (requests) => {
    let received = 0;
    let receivedBytes = 0;
    for await (const { data } of requests) {
      received += 1;
      receivedBytes += data?.length ?? 0;
    }
    return { received, receivedBytes };
  }),
  Bidi: bidi<EchoMessage, EchoMessage>(async function* (requests) {
    for await (const request of requests) {
      failIfAsked(request);
      yield { data: request.data ?? new Uint8Array() };
    }
  }),
};

function failIfAsked({ failCode = 0, failMessage = "" }: EchoMessage): void {
  if (failCode !== 0) throw new RpcError(failCode as typeof Status.INTERNAL, failMessage);
}

/** What a run of gclient gave. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Both, in the order in which they were written. */
  readonly all: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly signal?: AbortSignal;
  /** Gets stdout as it comes. */
  readonly onOut?: (text: string) => void;
  /** Gets stderr as it comes. */
  readonly onErr?: (text: string) => void;
  /** Is stdout a terminal? @default false */
  readonly terminal?: boolean;
  /** How wide is it? */
  readonly columns?: number;
  /** Is there a person who answers so? @default nobody */
  readonly answer?: (question: string) => string | undefined;
}

/** The default of five seconds is short for a process that a busy machine lets stand still. */
const PATIENT = { GCLIENT_CONNECT_TIMEOUT: "100s" };

/** Runs gclient in this process. Standard input is that of the tests: give `-n` or a request. */
export async function runClient(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { env = {}, signal = new AbortController().signal, onOut, terminal = false } = options;
  const { answer } = options;
  let out = "";
  let err = "";
  let all = "";
  const output = (write: (text: string) => void, isTerminal: boolean): Output => ({
    isTerminal,
    columns: isTerminal ? options.columns : undefined,
    color: false,
    write: (text) => Promise.resolve(write(text)),
  });
  const io: Io = {
    stdout: output((text) => {
      out += text;
      all += text;
      onOut?.(text);
    }, terminal),
    stderr: output((text) => {
      err += text;
      all += text;
      options.onErr?.(text);
    }, false),
    ...(answer !== undefined && { ask: (question: string) => Promise.resolve(answer(question)) }),
  };
  const code = await runProgram(program, args, { env: { ...PATIENT, ...env }, io, signal });
  return { code, out, err, all };
}

/** A test that has a hub of its own. */
export function hubTest(
  name: string,
  run: (hub: FakeHub, t: Deno.TestContext) => Promise<void>,
): void {
  Deno.test(name, async (t) => {
    await using hub = await startFakeHub();
    await run(hub, t);
  });
}
