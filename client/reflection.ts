/**
 * What a server can do, asked of itself: gRPC server reflection, v1 and the older v1alpha.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
 * @module
 */
import protobuf from "protobufjs";
import descriptor, { type IFileDescriptorProto } from "protobufjs/ext/descriptor";
import { closest } from "../shared/closest.ts";
import { formatHostPort } from "../shared/cli/parse_host_port.ts";
import { UsageError } from "../shared/cli/program.ts";
import type {
  grpc_reflection_v1_ServerReflectionRequest as ReflectionRequest,
  grpc_reflection_v1_ServerReflectionResponse as ReflectionResponse,
} from "../shared/gen/types.ts";
import { fileDescriptors } from "../shared/grpc/file_descriptors.ts";
import { root as ours } from "../shared/grpc/root.ts";
import { decodeMessage, methodOf } from "../shared/grpc/service.ts";
import { Status } from "../shared/grpc/status.ts";
import { type Attempt, attemptCall } from "./attempt.ts";
import { messageTypes } from "./call.ts";
import type { Failure } from "./failure.ts";
import type { Route } from "./plan.ts";

/** Imports are not followed deeper than this. */
const MAX_ROUNDS = 32;
/** A server that has more files for one service is not believed. */
const MAX_FILES = 2000;

/** The newer first; both have the same messages. */
const METHODS = [
  "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/** Files that every description gets: `--envelope` has a `google.rpc.Status`. */
const ALWAYS = ["google/rpc/status.proto", "google/rpc/error_details.proto"];

/** Asking did not work. */
export class ReflectionError extends Error {
  override readonly name = "ReflectionError";
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.error.message);
    this.failure = failure;
  }
}

/** Asks what is at the end of a route. Each question is a call of its own. */
export class Reflection {
  readonly #route: Route;
  readonly #deadline: number;
  #version = 0;

  /** @param deadline `Date.now()` at which all answers must be there. */
  constructor(route: Route, deadline: number) {
    this.#route = route;
    this.#deadline = deadline;
  }

  /**
   * Full names of all services, sorted.
   *
   * @throws {ReflectionError} If asking does not work.
   */
  async services(): Promise<string[]> {
    const [response] = await this.#ask([{ listServices: "" }]);
    const { service = [] } = response?.listServicesResponse ?? {};
    return service.map(({ name = "" }) => name).sort();
  }

  /**
   * The descriptors of a service, message or enum, and of all that they need.
   *
   * @throws {ReflectionError} If asking does not work.
   * @throws {UsageError} If there is nothing of that name.
   * @throws {Error} If the description makes no sense.
   */
  async describe(symbol: string): Promise<protobuf.Root> {
    const files = new Map<string, IFileDescriptorProto>();
    let questions: ReflectionRequest[] = [{ fileContainingSymbol: symbol }];
    for (let round = 0; questions.length > 0; round++) {
      const answers = await this.#ask(questions);
      for (const [i, { errorResponse, fileDescriptorResponse }] of answers.entries()) {
        if (errorResponse !== undefined && round === 0) throw await this.#unknown(symbol);
        // Some do not hand out Google's files; those we have as well.
        if (errorResponse !== undefined) addOurs(files, [questions[i]?.fileByFilename ?? ""]);
        const { fileDescriptorProto = [] } = fileDescriptorResponse ?? {};
        for (const bytes of fileDescriptorProto) add(files, bytes);
      }
      const absent = questions.find(({ fileByFilename: name }) => name && !files.has(name));
      if (absent !== undefined) {
        throw new Error(`Cannot describe "${symbol}": "${absent.fileByFilename}" is not given`);
      }
      if (round === MAX_ROUNDS || files.size > MAX_FILES) {
        throw new UsageError(`The description of "${symbol}" has no end`);
      }
      const missing = [...files.values()].flatMap(({ dependency }) => dependency ?? [])
        .filter((name) => !files.has(name));
      questions = [...new Set(missing)].map((name) => ({ fileByFilename: name }));
    }
    addOurs(files, ALWAYS);
    try {
      return protobuf.Root.fromDescriptor({ file: [...files.values()] });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`Cannot understand the description of "${symbol}": ${why}`, { cause: error });
    }
  }

  /**
   * A method.
   *
   * @param name `package.Service/Method`
   * @throws {UsageError} If it is no such name, or there is no such method.
   */
  async method(name: string): Promise<protobuf.Method> {
    const service = /^\/?([\w.]+)\/\w+$/.exec(name)?.[1];
    if (service === undefined) {
      throw new UsageError(`"${name}" is not a method`, {
        hint: "Write package.Service/Method, such as fluentd.v1.Fluentd/GetStatus",
      });
    }
    const root = await this.describe(service);
    const method = methodOf(root, name);
    if (method !== undefined) return method;
    const found = root.lookup(`.${service}`);
    const methods = found instanceof protobuf.Service ? Object.keys(found.methods) : [];
    throw new UsageError(`"${service}" has no method "${name.split("/").at(-1)}"`, {
      hint: methods.length === 0 ? "It is no service" : `It has ${methods.join(", ")}`,
    });
  }

  async #unknown(symbol: string): Promise<UsageError> {
    const { server, address } = this.#route;
    const where = server === undefined ? `The hub at ${formatHostPort(address)}` : server;
    const services = await this.services();
    const near = closest(symbol, services);
    const hint = near !== undefined
      ? `Did you mean ${near}?`
      : `It has ${services.join(", ")}${
        server === undefined ? "; servers are named at the end" : ""
      }`;
    return new UsageError(`${where} does not know "${symbol}"`, { hint });
  }

  async #ask(questions: readonly ReflectionRequest[]): Promise<ReflectionResponse[]> {
    for (;;) {
      const method = methodOf(ours, METHODS[this.#version]!)!;
      const { request, response } = messageTypes(method);
      const answers: ReflectionResponse[] = [];
      const attempt = await attemptCall({
        ...this.#route,
        method,
        requests: questions.map((question) => request.fromObject(question)),
        deadline: this.#deadline,
      }, (message) => {
        answers.push(decodeMessage(response, response.encode(message).finish()));
        return Promise.resolve();
      });
      const { error } = attempt;
      if (error === undefined) return answers;
      const older = error.code === Status.UNIMPLEMENTED && this.#version + 1 < METHODS.length;
      if (!older) throw new ReflectionError(this.#failure(method, attempt, error));
      this.#version++;
    }
  }

  #failure(
    method: protobuf.Method,
    { connected, refused }: Attempt,
    error: Failure["error"],
  ): Failure {
    const { server, address, tls, token } = this.#route;
    return {
      title: "reflection",
      server,
      address: formatHostPort(address),
      method,
      error,
      connected,
      refused,
      secure: tls !== undefined,
      hasToken: token !== undefined,
    };
  }
}

function add(files: Map<string, IFileDescriptorProto>, bytes: Uint8Array): void {
  const file = descriptor.FileDescriptorProto.decode(bytes) as unknown as IFileDescriptorProto;
  files.set(file.name ?? "", file);
}

/** Adds files of our own, with what they import, unless they are there. */
function addOurs(files: Map<string, IFileDescriptorProto>, names: readonly string[]): void {
  const own = fileDescriptors(ours);
  for (const name of names) {
    const file = own.get(name);
    if (file === undefined || files.has(name)) continue;
    add(files, file.bytes);
    addOurs(files, file.dependencies);
  }
}
