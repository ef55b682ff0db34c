import { loadSync } from "@grpc/proto-loader";
import assert from "node:assert/strict";
import descriptor, { type IFileDescriptorProto } from "protobufjs/ext/descriptor";
import type {
  grpc_reflection_v1_ServerReflectionRequest as Req,
  grpc_reflection_v1_ServerReflectionResponse as Res,
} from "../../shared/gen/types.ts";
import type { BidiHandler, Handlers } from "../../shared/grpc/handlers.ts";
import { addReflection } from "../../shared/grpc/reflection.ts";
import { type GrpcJsService, grpcJsService } from "./grpc_js_service.ts";
import type { Service } from "./services.ts";

/** A definition as proto-loader makes it of this file. */
function loaded(text: string, service: string): GrpcJsService["definition"] {
  const file = Deno.makeTempFileSync({ suffix: ".proto" });
  try {
    Deno.writeTextFileSync(file, text);
    return loadSync(file, { keepCase: true })[service] as GrpcJsService["definition"];
  } finally {
    Deno.removeSync(file);
  }
}

/** A file as reflection gave it. */
interface GivenFile extends IFileDescriptorProto {
  readonly bytes: Uint8Array;
}

/** Asks the reflection of a server that serves these. */
function reflection(services: readonly Service[]): (request: Req) => Promise<Res> {
  let handlers: Handlers = {};
  addReflection({ addService: (_name, added) => handlers = added }, services);
  const { handle } = handlers["ServerReflectionInfo"]!;
  return async (request) => {
    async function* requests() {
      yield request;
    }
    const answers = (handle as BidiHandler<Req, Res>)(requests(), undefined as never);
    return (await Array.fromAsync(answers))[0]!;
  };
}

function filesIn({ fileDescriptorResponse }: Res): GivenFile[] {
  return (fileDescriptorResponse?.fileDescriptorProto ?? []).map((bytes) => ({
    ...descriptor.FileDescriptorProto.decode(bytes) as unknown as IFileDescriptorProto,
    bytes,
  }));
}

const TIMESTAMP = "google/protobuf/timestamp.proto";
const SHOP = `syntax = "proto3";
package acme.v1;
import${" "}"${TIMESTAMP}";
service Shop { rpc Buy(Order) returns (Receipt); }
message Order { string stock_unit = 1; map<string, Line> lines = 2; }
message Line { google.protobuf.Timestamp at = 1; }
message Receipt { string text = 1; }`;

Deno.test("what proto-loader knows of a service is handed out as protoc would write it", async () => {
  const service = grpcJsService({ definition: loaded(SHOP, "acme.v1.Shop"), implementation: {} });
  assert.equal(service.name, "acme.v1.Shop");
  const ask = reflection([service]);
  const { listServicesResponse } = await ask({ listServices: "" });
  assert.ok(listServicesResponse?.service?.some(({ name }) => name === "acme.v1.Shop"));
  const [shop, timestamp, ...more] = filesIn(await ask({ fileContainingSymbol: "acme.v1.Shop" }));
  assert.deepEqual(more, []);
  assert.equal(shop?.name, "acme/v1.proto");
  assert.equal(timestamp?.name, TIMESTAMP);
  assert.deepEqual(shop?.dependency, [TIMESTAMP]);
  assert.equal(shop?.service?.[0]?.method?.[0]?.inputType, ".acme.v1.Order");
  const order = shop?.messageType?.find(({ name }) => name === "Order");
  assert.deepEqual(order?.field?.map(({ name }) => name), ["stock_unit", "lines"]);
  assert.equal(order?.nestedType?.[0]?.name, "LinesEntry");
});

Deno.test("two services whose files have the same names keep each their own", async () => {
  const other =
    'syntax = "proto3"; package acme.v1; service Bank { rpc Pay(Coin) returns (Coin); }' +
    " message Coin { int64 worth = 1; }";
  const ask = reflection([
    grpcJsService({ definition: loaded(SHOP, "acme.v1.Shop"), implementation: {} }),
    grpcJsService({ definition: loaded(other, "acme.v1.Bank"), implementation: {} }),
  ]);
  const services = async (symbol: string) =>
    filesIn(await ask({ fileContainingSymbol: symbol }))
      .flatMap(({ service = [] }) => service.map(({ name }) => name));
  assert.deepEqual(await services("acme.v1.Shop"), ["Shop"]);
  assert.deepEqual(await services("acme.v1.Coin"), ["Bank"]);
});

Deno.test("a descriptor set is handed out byte by byte, with its extensions", async () => {
  const file = {
    name: "zoo.proto",
    package: "zoo",
    syntax: "proto2",
    messageType: [{ name: "Animal", extensionRange: [{ start: 100, end: 200 }] }],
    extension: [{ name: "wings", number: 102, type: 5, label: 1, extendee: ".zoo.Animal" }],
    service: [{
      name: "Keeper",
      method: [{ name: "Feed", inputType: ".zoo.Animal", outputType: ".zoo.Animal" }],
    }],
  };
  // A field that nobody here knows: number 999, with the value 7.
  const bytes = new Uint8Array([
    ...descriptor.FileDescriptorProto.encode(
      descriptor.FileDescriptorProto.fromObject(file),
    ).finish(),
    ...[0xb8, 0x3e, 7],
  ]);
  const set = new Uint8Array([0x0a, bytes.length & 0x7f | 0x80, bytes.length >> 7, ...bytes]);
  const bare = {
    path: "/zoo.Keeper/Feed",
    requestStream: false,
    responseStream: false,
  } as GrpcJsService["definition"][string];
  const service = grpcJsService({
    definition: { Feed: bare },
    implementation: {},
    descriptors: set,
    maxRequestBytes: 10,
  });
  assert.equal(service.maxRequestBytes, 10);
  const ask = reflection([service]);
  for (
    const question of [
      { fileContainingSymbol: "zoo.Keeper.Feed" },
      { fileContainingSymbol: "zoo.wings" },
      { fileByFilename: "zoo.proto" },
      { fileContainingExtension: { containingType: "zoo.Animal", extensionNumber: 102 } },
    ]
  ) {
    assert.deepEqual(filesIn(await ask(question)).map((given) => given.bytes), [bytes]);
  }
  const numbers = await ask({ allExtensionNumbersOfType: "zoo.Animal" });
  assert.deepEqual(numbers.allExtensionNumbersResponse?.extensionNumber, [102]);
});

Deno.test("of a service without descriptors its name is told", async () => {
  const bare = { path: "/a.B/C" } as GrpcJsService["definition"][string];
  const service = grpcJsService({ definition: { C: bare }, implementation: {} });
  const ask = reflection([service]);
  const { listServicesResponse } = await ask({ listServices: "" });
  assert.ok(listServicesResponse?.service?.some(({ name }) => name === "a.B"));
  const { errorResponse } = await ask({ fileContainingSymbol: "a.B" });
  assert.equal(errorResponse?.errorMessage, 'Unknown symbol "a.B"');
});

Deno.test("a definition without methods is refused", () => {
  assert.throws(
    () => grpcJsService({ definition: {}, implementation: {} }),
    /^Error: Cannot serve a service without methods: its definition names no service$/,
  );
});
