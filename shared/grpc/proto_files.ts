/**
 * Which `.proto` file each type is declared in. The descriptors in `shared/gen` do not say, and
 * whoever asks by reflection must be told the very names that generated code knows.
 *
 * A test compares these tables with `proto/`.
 *
 * @module
 */
import protobuf from "protobufjs";

/** Package → the file that declares its types, but for those below. */
const PACKAGE_FILES: Readonly<Record<string, string>> = {
  "echo.v1": "echo/v1/echo.proto",
  "fluentd.v1": "fluentd/v1/fluentd.proto",
  "ghub.v1": "ghub/v1/hub.proto",
  "google.rpc": "google/rpc/error_details.proto",
  "grpc.health.v1": "grpc/health/v1/health.proto",
  "grpc.reflection.v1": "grpc/reflection/v1/reflection.proto",
  "grpc.reflection.v1alpha": "grpc/reflection/v1alpha/reflection.proto",
};

/** Types of packages that span several files → their file. */
const TYPE_FILES: Readonly<Record<string, string>> = {
  "ghub.v1.Chunk": "ghub/v1/tunnel.proto",
  "ghub.v1.Tunnel": "ghub/v1/tunnel.proto",
  "ghub.v1.WelcomeRequest": "ghub/v1/tunnel.proto",
  "ghub.v1.WelcomeResponse": "ghub/v1/tunnel.proto",
  "google.rpc.Status": "google/rpc/status.proto",
};

/** Files of `google.protobuf` that protobufjs brings along, without folder and ending. */
const WELL_KNOWN = ["any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers"];

const WELL_KNOWN_FILES = new Map(
  WELL_KNOWN.flatMap((name) => {
    const file = `google/protobuf/${name}.proto`;
    const types = protobuf.common.get(file)?.nested?.["google"];
    const { nested = {} } = (types as protobuf.INamespace)
      .nested!["protobuf"] as protobuf.INamespace;
    return Object.keys(nested).map((type): [string, string] => [`google.protobuf.${type}`, file]);
  }),
);

/** The file of a type that Google ships with protobuf; `undefined` for every other. */
export function wellKnownFileOf(top: protobuf.ReflectionObject): string | undefined {
  return WELL_KNOWN_FILES.get(top.fullName.slice(1));
}

/**
 * The file that declares a message, enum, service or what is nested in one.
 *
 * @throws {Error} If none is known.
 */
export function protoFileOf(object: protobuf.ReflectionObject): string {
  let top = object;
  while (top.parent instanceof protobuf.Type || top.parent instanceof protobuf.Service) {
    top = top.parent;
  }
  const name = top.fullName.slice(1);
  const file = wellKnownFileOf(top) ?? TYPE_FILES[name] ??
    PACKAGE_FILES[top.parent?.fullName.slice(1) ?? ""];
  if (file === undefined) throw new Error(`Cannot tell the file of ${name}: see proto_files.ts`);
  return file;
}
