/**
 * Files of services that others bring along, as their descriptors say.
 *
 * Two forms are common. What `protoc --descriptor_set_out` writes is handed out byte by byte. What
 * proto-loader keeps in its definitions was made by protobufjs: one file for each package, which no
 * file imports, with relative type names. protobuf-go and others refuse that, so these are made again.
 *
 * @module
 */
import protobuf from "protobufjs";
import descriptor, {
  type IDescriptorProto,
  type IFieldDescriptorProto,
  type IFileDescriptorProto,
} from "protobufjs/ext/descriptor";
import { type FileDescriptor, fileDescriptors } from "./file_descriptors.ts";
import { wellKnownFileOf } from "./proto_files.ts";

/** Number of `FileDescriptorSet.file`, and how it is encoded: a length, then bytes. */
const FILE_TAG = (1 << 3) | 2;

/**
 * The files of a `google.protobuf.FileDescriptorSet`, by name.
 *
 * @throws {Error} If the bytes are no such set.
 */
export function filesOfSet(set: Uint8Array): Map<string, FileDescriptor> {
  const reader = protobuf.Reader.create(set);
  const files = new Map<string, FileDescriptor>();
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    // Decoded and encoded again, options that are not known here would be lost.
    if (tag !== FILE_TAG) reader.skipType(tag & 7);
    else {
      const file = describedFile(reader.bytes());
      files.set(file.name, file);
    }
  }
  return files;
}

/**
 * The files that proto-loader's definitions carry (`fileDescriptorProtos`), as protoc would make them.
 *
 * @throws {Error} If they make no sense.
 */
export function filesOfProtoLoader(protos: readonly Uint8Array[]): Map<string, FileDescriptor> {
  const root = protobuf.Root.fromDescriptor(
    { file: protos.map(decodeFile) },
    { keepCase: true },
  );
  root.resolveAll();
  return fileDescriptors(root, { fileOf });
}

/** Where each came from was lost: a package is a file. */
function fileOf(object: protobuf.ReflectionObject): string {
  let top = object;
  while (top.parent instanceof protobuf.Type || top.parent instanceof protobuf.Service) {
    top = top.parent;
  }
  const name = top.parent?.fullName.slice(1) ?? "";
  return wellKnownFileOf(top) ?? `${name === "" ? "unnamed" : name.replaceAll(".", "/")}.proto`;
}

function decodeFile(bytes: Uint8Array): IFileDescriptorProto {
  return descriptor.FileDescriptorProto.decode(bytes) as unknown as IFileDescriptorProto;
}

function describedFile(bytes: Uint8Array): FileDescriptor {
  const file = decodeFile(bytes);
  const { name = "", package: scope = "" } = file;
  const symbols: string[] = [];
  const extensions: [type: string, number: number][] = [];
  const join = (outer: string, inner = "") => outer === "" ? inner : `${outer}.${inner}`;
  const extend = (fields: readonly IFieldDescriptorProto[] | undefined, outer: string) => {
    for (const { name, extendee = "", number = 0 } of fields ?? []) {
      symbols.push(join(outer, name));
      extensions.push([extendee.replace(/^\./, ""), number]);
    }
  };
  const enums = (types: IDescriptorProto["enumType"], outer: string) => {
    for (const { name, value = [] } of types ?? []) {
      symbols.push(join(outer, name), ...value.map(({ name }) => join(outer, name)));
    }
  };
  const message = (type: IDescriptorProto, outer: string) => {
    const here = join(outer, type.name);
    symbols.push(here);
    for (const { name } of [...type.field ?? [], ...type.oneofDecl ?? []]) {
      symbols.push(join(here, name));
    }
    extend(type.extension, here);
    enums(type.enumType, here);
    for (const nested of type.nestedType ?? []) message(nested, here);
  };
  for (const type of file.messageType ?? []) message(type, scope);
  enums(file.enumType, scope);
  extend(file.extension, scope);
  for (const { name, method = [] } of file.service ?? []) {
    const here = join(scope, name);
    symbols.push(here, ...method.map(({ name }) => join(here, name)));
  }
  return { name, dependencies: file.dependency ?? [], symbols, extensions, bytes };
}
