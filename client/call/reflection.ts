/**
 * What a server can do, asked of itself: gRPC server reflection, v1 and the older v1alpha.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
 * @module
 */
import type protobuf from "protobufjs";
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import descriptor from "protobufjs/ext/descriptor";
import { closest } from "../../shared/text/closest.ts";
import { UsageError } from "../../shared/cli/program.ts";
import type {
  grpc_reflection_v1_ServerReflectionRequest as ReflectionRequest,
  grpc_reflection_v1_ServerReflectionResponse as ReflectionResponse,
} from "../../shared/gen/types.ts";
import { root as ours } from "../../shared/grpc/root.ts";
import { decodeMessage, methodOf } from "../../shared/grpc/service.ts";
import { Status, type StatusName, statusName } from "../../shared/grpc/status.ts";
import { askedHub } from "./asked_hub.ts";
import { type Attempt, attemptCall } from "./attempt.ts";
import { messageTypes } from "./call.ts";
import { hopOf } from "./delivery.ts";
import type { CallFailure } from "./failure.ts";
import { ReflectionError, UnknownSymbolError } from "./reflection_errors.ts";
import type { CallRoute } from "./route.ts";
import { MAX_FILES, Schema } from "./schema.ts";

/** Imports are not followed deeper than this. */
const MAX_ROUNDS = 32;

/** The newer first; both have the same messages. */
const METHODS = [
  "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/**
 * How servers, and proxies before them, say that they do not have the newer service. Only UNIMPLEMENTED
 * is meant for it; but routers answer NOT_FOUND or UNKNOWN for services that they were not told of, and
 * rules of access forbid what they do not name.
 */
const NOT_THERE: ReadonlySet<StatusName> = new Set([
  "UNIMPLEMENTED",
  "UNKNOWN",
  "NOT_FOUND",
  "PERMISSION_DENIED",
  "INVALID_ARGUMENT",
  "INTERNAL",
]);

/** Asks what is at the end of a route. Each question is a call of its own. */
export class Reflection {
  readonly #route: CallRoute;
  readonly #deadline: () => number;
  /** All that was told, in the order in which it was asked for. */
  readonly #schemas: Schema[] = [];
  #version = 0;

  /** @param deadline `Date.now()` at which all answers must be there, or gives that of a question. */
  constructor(route: CallRoute, deadline: number | (() => number)) {
    this.#route = route;
    this.#deadline = typeof deadline === "number" ? () => deadline : deadline;
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
    const schema = new Schema();
    this.#schemas.push(schema);
    // What was asked for and is not there; of files only the types in them count.
    const absent = new Set<string>();
    let questions: ReflectionRequest[] = [{ fileContainingSymbol: symbol }];
    for (let round = 0; questions.length > 0; round++) {
      if (round === MAX_ROUNDS || schema.fileCount + absent.size + questions.length > MAX_FILES) {
        throw new UsageError(`The description of "${symbol}" has no end`);
      }
      const answers = await this.#ask(questions);
      for (const [i, question] of questions.entries()) {
        const { errorResponse, fileDescriptorResponse } = answers[i] ?? {};
        const { fileDescriptorProto = [] } = fileDescriptorResponse ?? {};
        for (const bytes of fileDescriptorProto) schema.add(bytes);
        if (round === 0 && errorResponse !== undefined) throw await this.#unknown(symbol);
        const { fileByFilename: file } = question;
        // Some do not hand out Google's files; those we have as well.
        if (file && !schema.has(file) && !schema.addOwnFile(file)) absent.add(file);
      }
      const missing = schema.missingTypes();
      for (const { fileContainingSymbol: type } of questions) {
        if (type && missing.has(type) && !schema.addOwnType(type)) absent.add(type);
      }
      questions = nextQuestions(schema, absent);
    }
    const [missing] = schema.missingTypes();
    if (missing !== undefined) {
      const files = [...schema.missingFiles()].map((file) => `, nor is the file "${file}"`).join(
        "",
      );
      throw new Error(`Cannot describe "${symbol}": the type "${missing}" is not given${files}`);
    }
    try {
      return schema.build();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`Cannot understand the description of "${symbol}": ${why}`, { cause: error });
    }
  }

  /** All files that were told, as the bytes of a `google.protobuf.FileDescriptorSet`. */
  fileSet(): Uint8Array {
    const files = new Map(
      this.#schemas.flatMap((schema) => schema.files()).map((bytes) => {
        const file = descriptor.FileDescriptorProto.decode(bytes);
        return [(file as { name?: string }).name, file];
      }),
    );
    const set = descriptor.FileDescriptorSet.create({ file: [...files.values()] });
    return descriptor.FileDescriptorSet.encode(set).finish();
  }

  async #unknown(symbol: string): Promise<UnknownSymbolError> {
    const { server, address } = this.#route;
    const where = server === undefined ? `The hub at ${formatHostPort(address)}` : server;
    const services = await this.services();
    const near = closest(symbol, services);
    const hint = near !== undefined
      ? `Did you mean ${near}?`
      : `It has ${services.join(", ")}${
        server === undefined ? "; servers are named at the end" : ""
      }`;
    return new UnknownSymbolError(`${where} does not know "${symbol}"`, { hint });
  }

  async #ask(questions: readonly ReflectionRequest[]): Promise<ReflectionResponse[]> {
    let first: CallFailure | undefined;
    for (;;) {
      const method = methodOf(ours, METHODS[this.#version]!)!;
      const { request, response } = messageTypes(method);
      const answers: ReflectionResponse[] = [];
      const attempt = await attemptCall({
        ...this.#route,
        method,
        requests: questions.map((question) => request.fromObject(question)),
        deadline: this.#deadline(),
      }, (message) => {
        answers.push(decodeMessage(response, response.encode(message).finish()));
        return Promise.resolve();
      });
      const { error } = attempt;
      if (error === undefined) return answers;
      const failure = this.#failure(method, attempt, error);
      // That the older version is not there either is no news.
      if (first !== undefined && error.code === Status.UNIMPLEMENTED) {
        throw new ReflectionError(first, true);
      }
      const hop = hopOf(error, attempt);
      const isThere = !NOT_THERE.has(statusName(error.code)) || answers.length > 0 ||
        hop === "hub" || hop === "client → hub";
      if (isThere || this.#version + 1 === METHODS.length) {
        throw new ReflectionError(failure, !isThere);
      }
      first = failure;
      this.#version++;
    }
  }

  #failure(
    method: protobuf.Method,
    { connected, refused, hub, missed }: Attempt,
    error: CallFailure["error"],
  ): CallFailure {
    return {
      ...askedHub(this.#route, hub),
      title: "reflection",
      server: this.#route.server,
      missed,
      method,
      error,
      connected,
      refused,
    };
  }
}

/** Files come first: they may have the types in them. */
function nextQuestions(schema: Schema, absent: ReadonlySet<string>): ReflectionRequest[] {
  const wanted = (names: ReadonlySet<string>) => [...names].filter((name) => !absent.has(name));
  const files = wanted(schema.missingFiles());
  if (files.length > 0) return files.map((fileByFilename) => ({ fileByFilename }));
  return wanted(schema.missingTypes()).map((fileContainingSymbol) => ({ fileContainingSymbol }));
}
