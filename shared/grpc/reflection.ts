/**
 * The standard reflection service, v1 and v1alpha: it tells tools such as grpcurl which services
 * there are, and hands them the descriptors.
 *
 * Known are the files of the served services, what these import, and those of `google.rpc`, so
 * that a tool can show the details of our errors. Services that others bring along have files of
 * their own.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
 * @module
 */
import type {
  grpc_reflection_v1_ServerReflectionRequest as Req,
  grpc_reflection_v1_ServerReflectionResponse as Res,
  ServiceName,
} from "../gen/types.ts";
import { type FileDescriptor, fileDescriptors } from "./file_descriptors.ts";
import { bidi, type ServiceHost } from "./handlers.ts";
import { protoFileOf } from "./proto_files.ts";
import { root } from "./root.ts";
import { Status, type StatusCode } from "./status.ts";

/** The names of the service, old and new. */
export const REFLECTION_SERVICES = [
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
] as const;

/** Types that are never in a signature but in errors. */
const ERRORS = ["google.rpc.Status", "google.rpc.ErrorInfo"];

/** What one request is answered with: one member of the response's oneof. */
type Answer = Omit<Res, "validHost" | "originalRequest">;

/** A service as reflection shows it. */
export interface ReflectedService {
  readonly name: string;
  /** What others' descriptors say of it and of all that it needs. @default it is ours, or unknown */
  readonly files?: ReadonlyMap<string, FileDescriptor>;
}

/**
 * Adds both versions of the reflection service.
 *
 * @param services What `list_services` shows; the reflection services are added to it. Of a service
 *     that is not ours and has no files the name is all that is told.
 */
export function addReflection(
  host: ServiceHost,
  services: readonly (ServiceName | ReflectedService)[],
): void {
  const answer = reflect(
    [...services, ...REFLECTION_SERVICES].map((service) =>
      typeof service === "string" ? { name: service } : service
    ),
  );
  for (const name of REFLECTION_SERVICES) {
    host.addService(name, {
      ServerReflectionInfo: bidi<Req, Res>(async function* (requests) {
        for await (const request of requests) {
          yield {
            validHost: request.host,
            originalRequest: request,
            ...answer(request),
          };
        }
      }),
    });
  }
}

/** Files that belong together: what one imports is the one of its own group. */
class Files {
  readonly #files: ReadonlyMap<string, FileDescriptor>;
  readonly #bySymbol = new Map<string, string>();
  readonly #byExtension = new Map<string, string>();
  /** Numbers of the extensions of each type. */
  readonly #extensions = new Map<string, number[]>();

  constructor(files: ReadonlyMap<string, FileDescriptor>) {
    this.#files = files;
    for (const [name, { symbols, extensions = [] }] of files) {
      for (const symbol of symbols) this.#bySymbol.set(symbol, name);
      for (const [type, number] of extensions) {
        this.#byExtension.set(`${type} ${number}`, name);
        this.#extensions.set(type, [...this.#extensions.get(type) ?? [], number]);
      }
    }
  }

  has(name: string): boolean {
    return this.#files.has(name);
  }

  withSymbol(symbol: string): string | undefined {
    return this.#bySymbol.get(symbol);
  }

  withExtension(type: string, number: number): string | undefined {
    return this.#byExtension.get(`${type} ${number}`);
  }

  extensionsOf(type: string): readonly number[] {
    return this.#extensions.get(type) ?? [];
  }

  /** The file and all that it imports, so that one answer is enough. */
  answer(name: string): Answer {
    const bytes = [...withImports(this.#files, [name]).values()].map((file) => file.bytes);
    return { fileDescriptorResponse: { fileDescriptorProto: bytes } };
  }
}

/** Answers requests about these services. */
function reflect(services: readonly ReflectedService[]): (request: Req) => Answer {
  const all = fileDescriptors(root);
  const ours = services.map(({ name }) => root.lookup(name)).filter((service) => service !== null);
  const errors = ERRORS.map((name) => root.lookup(name)!);
  // Each service of others has a group of its own: names of files are theirs, and may be the same.
  const foreign = new Set(services.flatMap(({ files }) => files === undefined ? [] : [files]));
  const groups = [
    new Files(withImports(all, [...ours, ...errors].map(protoFileOf))),
    ...[...foreign].map((files) =>
      new Files(withImports(new Map([...all, ...files]), files.keys()))
    ),
  ];

  /** The answer of the first group in which something is found. */
  function found(find: (files: Files) => string | undefined, asked: string): Answer {
    for (const files of groups) {
      const name = find(files);
      if (name !== undefined) return files.answer(name);
    }
    return failure(Status.NOT_FOUND, `Unknown ${asked}`);
  }

  return (request) => {
    if (request.listServices !== undefined) {
      const names = services.map(({ name }) => name).toSorted();
      return { listServicesResponse: { service: names.map((name) => ({ name })) } };
    }
    if (request.fileByFilename !== undefined) {
      const { fileByFilename: file } = request;
      return found((files) => files.has(file) ? file : undefined, `file "${file}"`);
    }
    if (request.fileContainingSymbol !== undefined) {
      const symbol = request.fileContainingSymbol.replace(/^\./, "");
      return found((files) => files.withSymbol(symbol), `symbol "${symbol}"`);
    }
    if (request.fileContainingExtension !== undefined) {
      const { containingType = "", extensionNumber = 0 } = request.fileContainingExtension;
      return found(
        (files) => files.withExtension(containingType, extensionNumber),
        `extension ${extensionNumber} of "${containingType}"`,
      );
    }
    if (request.allExtensionNumbersOfType !== undefined) {
      const baseTypeName = request.allExtensionNumbersOfType.replace(/^\./, "");
      const extensionNumber = [...new Set(groups.flatMap((one) => one.extensionsOf(baseTypeName)))];
      return groups.some((files) => files.withSymbol(baseTypeName) !== undefined)
        ? { allExtensionNumbersResponse: { baseTypeName, extensionNumber } }
        : failure(Status.NOT_FOUND, `Unknown type "${baseTypeName}"`);
    }
    return failure(Status.INVALID_ARGUMENT, "The request asks for nothing");
  };
}

function failure(errorCode: StatusCode, errorMessage: string): Answer {
  return { errorResponse: { errorCode, errorMessage } };
}

/** These files and all that they import, each once, an importing file before what it imports. */
function withImports(
  all: ReadonlyMap<string, FileDescriptor>,
  names: Iterable<string>,
  found = new Map<string, FileDescriptor>(),
): Map<string, FileDescriptor> {
  for (const name of names) {
    const file = all.get(name);
    if (file === undefined || found.has(name)) continue;
    found.set(name, file);
    withImports(all, file.dependencies, found);
  }
  return found;
}
