/**
 * A `google.protobuf.FileDescriptorProto` for each `.proto` file, made from our descriptors.
 *
 * `toDescriptor` of protobufjs makes one file for each package, without dependencies, with
 * relative type names, with map entries that are named otherwise than protoc does and with
 * synthetic oneofs among the others: protobuf-go and others refuse all of these.
 *
 * @module
 */
import protobuf from "protobufjs";
import descriptor, {
  type IDescriptorProto,
  type IFieldDescriptorProto,
} from "protobufjs/ext/descriptor";
import { protoFileOf } from "./proto_files.ts";

/** A file as reflection hands it out. */
export interface FileDescriptor {
  readonly name: string;
  /** Names of the files that it imports, sorted. */
  readonly dependencies: readonly string[];
  /** Full names of its messages, enums, services and of all their members. */
  readonly symbols: readonly string[];
  /** Type and number of each extension that it declares. @default none */
  readonly extensions?: readonly (readonly [type: string, number: number])[];
  /** The encoded `FileDescriptorProto`. */
  readonly bytes: Uint8Array;
}

/** Tells in which file something is declared. */
type FileOf = (object: protobuf.ReflectionObject) => string;

/** Options of {@linkcode fileDescriptors}. */
export interface FileDescriptorsOptions {
  /** @default as proto_files.ts says of our own */
  readonly fileOf?: FileOf;
}

/** The files that declare what is in this root, by name. */
export function fileDescriptors(
  root: protobuf.Root,
  { fileOf = protoFileOf }: FileDescriptorsOptions = {},
): Map<string, FileDescriptor> {
  const objects = Map.groupBy(topLevel(root), fileOf);
  return new Map(
    [...objects].map(([name, objects]) => [name, fileDescriptor(name, objects, fileOf)]),
  );
}

/** All messages, enums and services that are in a package, not in a message. */
function topLevel(scope: protobuf.NamespaceBase): protobuf.ReflectionObject[] {
  return scope.nestedArray.flatMap((object) =>
    isPackage(object) ? topLevel(object) : [object.resolve()]
  );
}

function isPackage(object: protobuf.ReflectionObject): object is protobuf.Namespace {
  return object instanceof protobuf.Namespace && !(object instanceof protobuf.Type) &&
    !(object instanceof protobuf.Service);
}

function fileDescriptor(
  name: string,
  objects: protobuf.ReflectionObject[],
  fileOf: FileOf,
): FileDescriptor {
  const messages = objects.filter((object) => object instanceof protobuf.Type);
  const enums = objects.filter((object) => object instanceof protobuf.Enum);
  const services = objects.filter((object) => object instanceof protobuf.Service);
  const imported = new Set(
    [...messages.flatMap(typesOf), ...services.flatMap(typesOf)].map(fileOf),
  );
  imported.delete(name);
  const dependencies = [...imported].sort();
  const bytes = descriptor.FileDescriptorProto.encode(descriptor.FileDescriptorProto.create({
    name,
    package: objects[0]?.parent?.fullName.slice(1),
    dependency: dependencies,
    messageType: messages.map(messageDescriptor),
    enumType: enums.map((type) => type.toDescriptor()),
    service: services.map((service) => service.toDescriptor()),
    syntax: "proto3",
  })).finish();
  return { name, dependencies, symbols: objects.flatMap(symbolsOf), bytes };
}

/** The messages and enums that a message or service refers to. */
function typesOf(object: protobuf.Type | protobuf.Service): protobuf.ReflectionObject[] {
  const types = object instanceof protobuf.Service
    ? object.methodsArray.flatMap((method) => {
      method.resolve();
      return [method.resolvedRequestType, method.resolvedResponseType];
    })
    : object.fieldsArray.map((field) => field.resolve().resolvedType);
  const nested = object.nestedArray.filter((inner) => inner instanceof protobuf.Type);
  return [...types.filter((type) => type !== null), ...nested.flatMap(typesOf)];
}

/** Full names that `file_containing_symbol` may ask for; values of an enum are its siblings. */
function symbolsOf(object: protobuf.ReflectionObject): string[] {
  const name = object.fullName.slice(1);
  const scope = object.parent?.fullName.slice(1);
  if (object instanceof protobuf.Enum) {
    return [name, ...Object.keys(object.values).map((value) => `${scope}.${value}`)];
  }
  if (object instanceof protobuf.Service) {
    return [name, ...object.methodsArray.map((method) => `${name}.${method.name}`)];
  }
  if (!(object instanceof protobuf.Type)) return [];
  const fields = object.fieldsArray.map((field) => `${name}.${field.resolve().protoName}`);
  const oneofs = object.oneofsArray.map((oneof) => `${name}.${snakeCase(oneof.name)}`);
  return [name, ...fields, ...oneofs, ...object.nestedArray.flatMap(symbolsOf)];
}

function messageDescriptor(type: protobuf.Type): IDescriptorProto {
  // Synthetic oneofs come last, in the order of their fields.
  const oneofs = [
    ...type.oneofsArray.filter((oneof) => !oneof.isProto3Optional),
    ...type.oneofsArray.filter((oneof) => oneof.isProto3Optional),
  ];
  const { nestedArray: nested, reserved = [] } = type;
  const maps = type.fieldsArray.filter((field) => field instanceof protobuf.MapField);
  return {
    name: type.name,
    field: type.fieldsArray.map((field) => fieldDescriptor(field.resolve(), oneofs)),
    nestedType: [
      ...maps.map(mapEntryDescriptor),
      ...nested.filter((inner) => inner instanceof protobuf.Type).map(messageDescriptor),
    ],
    enumType: nested.filter((inner) => inner instanceof protobuf.Enum).map((inner) =>
      inner.toDescriptor()
    ),
    oneofDecl: oneofs.map((oneof) => ({ name: oneofName(oneof) })),
    reservedName: reserved.filter((name) => typeof name === "string"),
    // protobufjs counts the end in, a message's reserved range does not.
    reservedRange: reserved.filter((range) => typeof range !== "string")
      .map(([start = 0, end = start]) => ({ start, end: end + 1 })),
  };
}

function fieldDescriptor(field: protobuf.Field, oneofs: protobuf.OneOf[]): IFieldDescriptorProto {
  const made = field.toDescriptor("proto3");
  made.jsonName = field.jsonName;
  if (field instanceof protobuf.MapField) {
    made.typeName = `${field.parent?.fullName}.${mapEntryName(field)}`;
  } else if (field.resolvedType !== null) {
    made.typeName = field.resolvedType.fullName;
  }
  if (field.partOf !== null) made.oneofIndex = oneofs.indexOf(field.partOf);
  return made;
}

/** A map is a repeated message of a key and a value. */
function mapEntryDescriptor(field: protobuf.MapField): IDescriptorProto {
  const key = new protobuf.Field("key", 1, field.keyType).toDescriptor("proto3");
  const valueField = new protobuf.Field("value", 2, field.type);
  valueField.resolvedType = field.resolvedType;
  // From here the name of its type is looked for.
  valueField.parent = field.parent;
  const value = valueField.toDescriptor("proto3");
  key.jsonName = "key";
  value.jsonName = "value";
  if (field.resolvedType !== null) value.typeName = field.resolvedType.fullName;
  return { name: mapEntryName(field), field: [key, value], options: { mapEntry: true } };
}

/** As protoc names it: `last_seen` → `LastSeenEntry`. */
function mapEntryName(field: protobuf.MapField): string {
  const words = (field.protoName ?? field.name).replace(
    // Optional, so that a run of "_" always matches: to look for it again at each "_" takes long.
    /_+([a-zA-Z0-9]?)/g,
    (run, c) => c === "" ? run : c.toUpperCase(),
  );
  return `${words.replace(/^[a-z]/, (c) => c.toUpperCase())}Entry`;
}

/** As protoc names it; protobufjs keeps only the camelCase of a oneof's name. */
function oneofName(oneof: protobuf.OneOf): string {
  const [field] = oneof.fieldsArray;
  return oneof.isProto3Optional && field ? `_${field.protoName}` : snakeCase(oneof.name);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
}
