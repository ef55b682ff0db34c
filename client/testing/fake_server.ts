/**
 * gRPC servers for tests whose services and descriptors a test writes down.
 *
 * @module
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { type AddressInfo, createServer, type Socket } from "node:net";
import descriptor, { type IFileDescriptorProto } from "protobufjs/ext/descriptor";
import { bidi } from "../../shared/grpc/handlers.ts";
import { peerHost } from "../../shared/grpc_js/implementation.ts";
import { Status } from "../../shared/grpc/status.ts";
import { withoutGoaway } from "../../tests/support/without_goaway.ts";

export interface FakeServer extends AsyncDisposable {
  readonly address: string;
}

/** A server with no services but these. */
export async function startServer(add: (server: Server) => void): Promise<FakeServer> {
  const server = new Server();
  add(server);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  // Not grpc-js's own listener: a caller's GOAWAY can end the tests (decision 9).
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.setNoDelay(true);
    injector.injectConnection(withoutGoaway(socket));
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

interface Question {
  readonly fileContainingSymbol?: string;
  readonly fileByFilename?: string;
  readonly listServices?: string;
}

const NOT_FOUND = { errorResponse: { errorCode: Status.NOT_FOUND, errorMessage: "no" } };

/** Reflection that hands out these files: a symbol is in the file that has the longest part of its name. */
function describeFiles(files: readonly IFileDescriptorProto[]) {
  const holds = ({ package: scope = "", messageType = [], service = [] }: IFileDescriptorProto) =>
    [...messageType, ...service].map(({ name }) => scope === "" ? name : `${scope}.${name}`);
  const answer = ({ fileContainingSymbol, fileByFilename, listServices }: Question): object => {
    if (listServices !== undefined) {
      const names = files.flatMap(({ package: scope, service = [] }) =>
        service.map(({ name }) => scope ? `${scope}.${name}` : name)
      );
      return { listServicesResponse: { service: names.map((name) => ({ name })) } };
    }
    const file = files.find((file) =>
      fileByFilename === file.name ||
      holds(file).some((name) =>
        name === fileContainingSymbol || fileContainingSymbol?.startsWith(`${name}.`)
      )
    );
    if (file === undefined) return NOT_FOUND;
    const { FileDescriptorProto } = descriptor;
    const bytes = FileDescriptorProto.encode(FileDescriptorProto.create(file)).finish();
    return { fileDescriptorResponse: { fileDescriptorProto: [bytes] } };
  };
  return {
    ServerReflectionInfo: bidi<Question, object>(async function* (questions) {
      for await (const question of questions) yield answer(question);
    }),
  };
}

/** A server with reflection for these files, and what else `add` gives it. */
export function startDescribed(
  files: readonly IFileDescriptorProto[],
  add: (server: Server) => void = () => {},
): Promise<FakeServer> {
  return startServer((server) => {
    peerHost(server).addService("grpc.reflection.v1.ServerReflection", describeFiles(files));
    add(server);
  });
}
