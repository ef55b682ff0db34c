/**
 * The standard reflection service, v1 and v1alpha: it tells tools such as grpcurl which services
 * there are, and hands them the descriptors.
 *
 * Known are the files of the served services, what these import, and those of `google.rpc`, so
 * that a tool can show the details of our errors.
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

/**
 * Adds both versions of the reflection service.
 *
 * @param services What `list_services` shows; the reflection services are added to it.
 */
export function addReflection(host: ServiceHost, services: readonly ServiceName[]): void {
  const answer = reflect([...services, ...REFLECTION_SERVICES]);
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

/** Answers requests about these services. */
function reflect(services: readonly ServiceName[]): (request: Req) => Answer {
  const all = fileDescriptors(root);
  const known = withImports(
    all,
    [...services, ...ERRORS].map((name) => protoFileOf(root.lookup(name)!)),
  );
  const bySymbol = new Map(
    [...known].flatMap(([name, { symbols }]) =>
      symbols.map((symbol): [string, string] => [symbol, name])
    ),
  );

  /** The file and all that it imports, so that one answer is enough. */
  function files(name: string | undefined, asked: string): Answer {
    if (name === undefined || !known.has(name)) {
      return failure(Status.NOT_FOUND, `Unknown ${asked}`);
    }
    const bytes = [...withImports(known, [name]).values()].map((file) => file.bytes);
    return { fileDescriptorResponse: { fileDescriptorProto: bytes } };
  }

  return (request) => {
    if (request.listServices !== undefined) {
      return { listServicesResponse: { service: services.toSorted().map((name) => ({ name })) } };
    }
    if (request.fileByFilename !== undefined) {
      return files(request.fileByFilename, `file "${request.fileByFilename}"`);
    }
    if (request.fileContainingSymbol !== undefined) {
      const symbol = request.fileContainingSymbol.replace(/^\./, "");
      return files(bySymbol.get(symbol), `symbol "${symbol}"`);
    }
    // proto3 messages have no extensions, so there is none to be found.
    if (request.fileContainingExtension !== undefined) {
      const { containingType = "", extensionNumber = 0 } = request.fileContainingExtension;
      return failure(
        Status.NOT_FOUND,
        `Unknown extension ${extensionNumber} of "${containingType}"`,
      );
    }
    if (request.allExtensionNumbersOfType !== undefined) {
      const baseTypeName = request.allExtensionNumbersOfType.replace(/^\./, "");
      return bySymbol.has(baseTypeName)
        ? { allExtensionNumbersResponse: { baseTypeName, extensionNumber: [] } }
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
  names: readonly string[],
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
