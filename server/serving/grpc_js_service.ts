/**
 * A service of others, as they would add it to a server of grpc-js.
 *
 * @module
 */
import type { ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { filesOfProtoLoader, filesOfSet } from "../../shared/grpc/described_files.ts";
import type { FileDescriptor } from "../../shared/grpc/file_descriptors.ts";
import type { Service } from "./services.ts";

/** A method as grpc-js knows it: where it is, its kind, and how its messages become bytes. */
export interface GrpcJsMethod {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Whether requests come as a stream. */
  readonly requestStream: boolean;
  /** Whether responses go as a stream. */
  readonly responseStream: boolean;
  /** A request as bytes. */
  requestSerialize(request: unknown): Uint8Array;
  /** A request of bytes. */
  requestDeserialize(bytes: Uint8Array): unknown;
  /** A response as bytes. */
  responseSerialize(response: unknown): Uint8Array;
  /** A response of bytes. */
  responseDeserialize(bytes: Uint8Array): unknown;
}

/** A service of grpc-js: what `Server.addService` takes, and what reflection and limits need. */
export interface GrpcJsService {
  /** As proto-loader makes it, or a compiler for grpc-js: `proto.acme.v1.Shop.service`. */
  readonly definition: Readonly<Record<string, GrpcJsMethod>>;
  /** A handler for each method, as grpc-js calls them. */
  readonly implementation: Readonly<Record<string, (...args: never[]) => unknown>>;
  /**
   * A `FileDescriptorSet`, from `protoc --include_imports --descriptor_set_out=FILE`: reflection
   * hands it out.
   *
   * @default what proto-loader put into the definition; else reflection tells the service's name alone
   */
  readonly descriptors?: Uint8Array;
  /**
   * Longer requests are refused, in bytes.
   *
   * @default the server's limit
   */
  readonly maxRequestBytes?: number;
}

/**
 * A service of grpc-js as one of ours.
 *
 * @throws {Error} If the definition has no methods, or its descriptors make no sense.
 */
export function grpcJsService(
  { definition, implementation, descriptors, maxRequestBytes }: GrpcJsService,
): Service {
  const files = descriptors === undefined ? loadedFiles(definition) : filesOfSet(descriptors);
  return {
    name: serviceNameOf(definition),
    ...(files !== undefined && { files }),
    ...(maxRequestBytes !== undefined && { maxRequestBytes }),
    addTo: (server) =>
      server.addService(
        definition as unknown as ServiceDefinition,
        implementation as unknown as UntypedServiceImplementation,
      ),
  };
}

/** `/acme.v1.Shop/Buy` → `acme.v1.Shop` */
function serviceNameOf(definition: GrpcJsService["definition"]): string {
  const [method] = Object.values(definition);
  const name = method === undefined ? undefined : /^\/([^/]+)\/[^/]+$/.exec(method.path)?.[1];
  if (name === undefined) {
    throw new Error("Cannot serve a service without methods: its definition names no service");
  }
  return name;
}

/** What each type has of proto-loader's: all files of its load. */
interface LoadedMethod {
  readonly requestType?: { readonly fileDescriptorProtos?: readonly Uint8Array[] };
}

/** The same load gives the same files: two of its services are one group. */
const loads = new WeakMap<readonly Uint8Array[], ReadonlyMap<string, FileDescriptor>>();

function loadedFiles(
  definition: GrpcJsService["definition"],
): ReadonlyMap<string, FileDescriptor> | undefined {
  const [method] = Object.values(definition) as readonly LoadedMethod[];
  const protos = method?.requestType?.fileDescriptorProtos;
  if (protos === undefined) return undefined;
  const known = loads.get(protos);
  if (known !== undefined) return known;
  const files = filesOfProtoLoader(protos);
  loads.set(protos, files);
  return files;
}
