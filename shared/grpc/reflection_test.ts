import assert from "node:assert/strict";
import protobuf from "protobufjs";
import descriptor, { type IFileDescriptorProto } from "protobufjs/ext/descriptor";
import type {
  grpc_reflection_v1_ServerReflectionRequest as Req,
  grpc_reflection_v1_ServerReflectionResponse as Res,
  ServiceName,
} from "../gen/types.ts";
import { fileDescriptors } from "./file_descriptors.ts";
import { protoFileOf } from "./proto_files.ts";
import { peerHost } from "../grpc_js/implementation.ts";
import { addReflection } from "./reflection.ts";
import { root } from "./root.ts";
import { Status } from "./status.ts";
import { callable, type TestServer, testServer } from "../grpc_js/testing/server.ts";

const PROTO_DIR = new URL("../../proto/", import.meta.url).pathname;

/** The root as it is in `proto/`, with the file of each object; what etcd has is no service of ours. */
function loadProto(): protobuf.Root {
  const files = (dir: string): string[] =>
    [...Deno.readDirSync(PROTO_DIR + dir)].flatMap((entry) =>
      entry.name === "etcd"
        ? []
        : entry.isDirectory
        ? files(`${dir}${entry.name}/`)
        : [`${dir}${entry.name}`]
    );
  const loaded = new protobuf.Root();
  loaded.resolvePath = (_, target) =>
    protobuf.common.get(target) === null && !target.startsWith(PROTO_DIR)
      ? PROTO_DIR + target
      : target;
  loaded.loadSync(files("").filter((name) => name.endsWith(".proto")));
  loaded.resolveAll();
  return loaded;
}

function* objectsOf(scope: protobuf.NamespaceBase): Generator<protobuf.ReflectionObject> {
  for (const object of scope.nestedArray) {
    const declared = object instanceof protobuf.Type || object instanceof protobuf.Service ||
      object instanceof protobuf.Enum;
    if (declared) yield object;
    else if (object instanceof protobuf.Namespace) yield* objectsOf(object);
  }
}

function decodeFile(bytes: Uint8Array): IFileDescriptorProto {
  return descriptor.FileDescriptorProto.decode(bytes) as IFileDescriptorProto;
}

/** What a client makes of the descriptors, without what our root never keeps. */
function rebuild(files: Iterable<Uint8Array>): protobuf.Root {
  const set = descriptor.FileDescriptorSet.create({ file: [...files].map(decodeFile) });
  return protobuf.Root.fromDescriptor(set as never);
}

/** The descriptors of these names as JSON, type names made absolute. */
function shape(of: protobuf.Root, names: Iterable<string>): Record<string, unknown> {
  const shapes: Record<string, unknown> = {};
  for (const name of names) {
    const object = of.lookup(name);
    assert.ok(object, name);
    shapes[name] = JSON.parse(JSON.stringify(describe(object)));
  }
  return shapes;
}

function describe(object: protobuf.ReflectionObject): unknown {
  if (object instanceof protobuf.Enum) return { values: object.values };
  if (object instanceof protobuf.Service) {
    return object.methodsArray.map((method) => {
      method.resolve();
      return [
        method.name,
        method.resolvedRequestType?.fullName,
        method.resolvedResponseType?.fullName,
        method.requestStream ?? false,
        method.responseStream ?? false,
        method.options,
      ];
    });
  }
  const type = object as protobuf.Type;
  return {
    fields: type.fieldsArray.map((field) => {
      field.resolve();
      return {
        name: field.protoName,
        json: field.jsonName,
        id: field.id,
        kind: field.resolvedType?.fullName ?? field.type,
        key: field instanceof protobuf.MapField ? field.keyType : undefined,
        repeated: field.repeated,
        presence: field.hasPresence,
        packed: field.repeated && field.packed,
        oneof: field.partOf?.fieldsArray.map((member) => member.protoName),
      };
    }),
    reserved: type.reserved,
    nested: type.nestedArray.map((inner) => [inner.name, describe(inner)]),
  };
}

Deno.test("protoFileOf() names the files in proto/", () => {
  const loaded = loadProto();
  let count = 0;
  for (const object of objectsOf(loaded)) {
    const ours = root.lookup(object.fullName);
    assert.ok(ours, object.fullName);
    const file = protoFileOf(ours);
    // What protobufjs brings along has no file name there.
    if (file.startsWith("google/protobuf/")) assert.ok(protobuf.common.get(file));
    else assert.equal(file, object.filename?.replace(PROTO_DIR, ""), object.fullName);
    count++;
  }
  assert.ok(count > 50);
});

Deno.test("what etcd has is not among our descriptors: each program would load it", () => {
  for (const name of ["etcdserverpb", "mvccpb"]) assert.equal(root.lookup(name), null);
});

Deno.test("fileDescriptors() give back what proto/ says", () => {
  const loaded = loadProto();
  const names = [...objectsOf(loaded)].map((object) => object.fullName);
  const rebuilt = rebuild([...fileDescriptors(root).values()].map((file) => file.bytes));
  assert.deepEqual(shape(rebuilt, names), shape(loaded, names));
});

Deno.test("fileDescriptors() are as protoc makes them", () => {
  const made = fileDescriptors(root);
  const fluentd = decodeFile(made.get("fluentd/v1/fluentd.proto")!.bytes);
  assert.equal(fluentd.package, "fluentd.v1");
  assert.equal(fluentd.syntax, "proto3");
  assert.deepEqual(fluentd.dependency, [
    "google/protobuf/duration.proto",
    "google/protobuf/timestamp.proto",
  ]);
  assert.deepEqual(made.get("google/rpc/status.proto")?.dependencies, [
    "google/protobuf/any.proto",
  ]);
  for (const { bytes, name } of made.values()) {
    const check = (messages: protobuf.INamespace | unknown) => {
      for (const message of messages as import("protobufjs/ext/descriptor").IDescriptorProto[]) {
        const synthetic = (message.oneofDecl ?? []).map((oneof) => oneof.name?.startsWith("_"));
        assert.deepEqual(synthetic, synthetic.toSorted(), `${name}: ${message.name}: oneof order`);
        for (const field of message.field ?? []) {
          assert.ok(field.jsonName, `${name}: ${message.name}.${field.name} has no json_name`);
          if (field.typeName) assert.match(field.typeName, /^\./);
          if (field.proto3Optional) {
            assert.equal(message.oneofDecl?.[field.oneofIndex!]?.name, `_${field.name}`);
          }
        }
        for (const entry of message.nestedType ?? []) {
          if (entry.options?.mapEntry) assert.match(entry.name!, /^[A-Z].*Entry$/);
        }
        check(message.nestedType ?? []);
      }
    };
    check(decodeFile(bytes).messageType ?? []);
  }
});

const SERVED: ServiceName[] = ["fluentd.v1.Fluentd", "grpc.health.v1.Health"];
const REFLECTION: ServiceName[] = [
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

/** Sends these requests over one call. */
async function ask({ client }: TestServer, service: ServiceName, requests: Req[]): Promise<Res[]> {
  const call = client.makeBidiStreamRequest(...callable(service, "ServerReflectionInfo"));
  for (const request of requests) call.write(request);
  call.end();
  return await Array.fromAsync(call as AsyncIterable<Res>);
}

for (const service of REFLECTION) {
  Deno.test(`addReflection() serves ${service}`, async (t) => {
    await using world = await testServer((server) => addReflection(peerHost(server), SERVED));

    await t.step("lists the services", async () => {
      const [response] = await ask(world, service, [{ host: "h", listServices: "" }]);
      assert.equal(response?.validHost, "h");
      assert.deepEqual(response?.originalRequest, { host: "h", listServices: "" });
      assert.deepEqual(
        response?.listServicesResponse?.service?.map(({ name }) => name),
        [...SERVED, ...REFLECTION],
      );
    });

    await t.step("one answer is enough to know a service", async () => {
      for (const name of SERVED) {
        const [response] = await ask(world, service, [{ fileContainingSymbol: name }]);
        const files = response?.fileDescriptorResponse?.fileDescriptorProto ?? [];
        const rebuilt = rebuild(files);
        const names = [...objectsOf(rebuilt)].map((object) => object.fullName);
        assert.ok(names.includes(`.${name}`));
        assert.deepEqual(shape(rebuilt, names), shape(root, names));
      }
    });

    await t.step("finds files by symbols of all kinds and by name", async () => {
      const table: [request: Req, file: string][] = [
        [{ fileContainingSymbol: "fluentd.v1.StartRequest" }, "fluentd/v1/fluentd.proto"],
        [{ fileContainingSymbol: ".fluentd.v1.StartRequest" }, "fluentd/v1/fluentd.proto"],
        [{ fileContainingSymbol: "fluentd.v1.StartResponse.Status" }, "fluentd/v1/fluentd.proto"],
        [{ fileContainingSymbol: "fluentd.v1.StartResponse.SUCCESS" }, "fluentd/v1/fluentd.proto"],
        [
          { fileContainingSymbol: "fluentd.v1.StartRequest.request_id" },
          "fluentd/v1/fluentd.proto",
        ],
        [{ fileContainingSymbol: "fluentd.v1.Fluentd.Start" }, "fluentd/v1/fluentd.proto"],
        [{ fileContainingSymbol: "google.protobuf.Duration" }, "google/protobuf/duration.proto"],
        [{ fileContainingSymbol: "google.rpc.ErrorInfo" }, "google/rpc/error_details.proto"],
        [{ fileByFilename: "google/protobuf/timestamp.proto" }, "google/protobuf/timestamp.proto"],
      ];
      const responses = await ask(world, service, table.map(([request]) => request));
      for (const [index, [request, file]] of table.entries()) {
        const first = responses[index]?.fileDescriptorResponse?.fileDescriptorProto?.[0];
        assert.ok(first, JSON.stringify(responses[index]));
        assert.equal(decodeFile(first).name, file, JSON.stringify(request));
      }
    });

    await t.step("says what it does not know", async () => {
      const table: [request: Req, code: number, message: string][] = [
        [{ fileContainingSymbol: "no.Such" }, Status.NOT_FOUND, 'Unknown symbol "no.Such"'],
        [{ fileContainingSymbol: "fluentd.v1" }, Status.NOT_FOUND, 'Unknown symbol "fluentd.v1"'],
        [
          { fileContainingSymbol: "echo.v1.Echo" },
          Status.NOT_FOUND,
          'Unknown symbol "echo.v1.Echo"',
        ],
        [{ fileContainingSymbol: "constructor" }, Status.NOT_FOUND, 'Unknown symbol "constructor"'],
        [{ fileByFilename: "x.proto" }, Status.NOT_FOUND, 'Unknown file "x.proto"'],
        [
          { fileContainingExtension: { containingType: "a.B", extensionNumber: 7 } },
          Status.NOT_FOUND,
          'Unknown extension 7 of "a.B"',
        ],
        [{ allExtensionNumbersOfType: "a.B" }, Status.NOT_FOUND, 'Unknown type "a.B"'],
        [{}, Status.INVALID_ARGUMENT, "The request asks for nothing"],
      ];
      const responses = await ask(world, service, table.map(([request]) => request));
      assert.deepEqual(
        responses.map(({ errorResponse }) => errorResponse),
        table.map(([, errorCode, errorMessage]) => ({ errorCode, errorMessage })),
      );
    });

    await t.step("knows that no message has extensions", async () => {
      const request = { allExtensionNumbersOfType: "fluentd.v1.StartRequest" };
      const [response] = await ask(world, service, [request]);
      assert.deepEqual(response?.allExtensionNumbersResponse, {
        baseTypeName: "fluentd.v1.StartRequest",
        extensionNumber: [],
      });
    });
  });
}
