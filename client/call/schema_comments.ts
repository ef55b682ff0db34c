/**
 * Comments of a `.proto` file, as descriptors carry them where their maker kept them
 * (`protoc --include_source_info`).
 *
 * @see google/protobuf/descriptor.proto, SourceCodeInfo
 * @module
 */
import protobuf from "protobufjs";
import type { IDescriptorProto, IFileDescriptorProto } from "protobufjs/ext/descriptor";
import { fullName, protoName } from "../../shared/codec/fields.ts";

/** Numbers of fields in the descriptors, of which the way to a comment is made. */
const MESSAGES = 4;
const ENUMS = 5;
const SERVICES = 6;
const EXTENSIONS = 7;
const FIELDS = 2;
const NESTED = 3;
const INNER_ENUMS = 4;
const INNER_EXTENSIONS = 6;
const ONEOFS = 8;

interface Location {
  readonly path?: readonly number[];
  readonly leadingComments?: string;
  readonly trailingComments?: string;
}

interface Named {
  readonly name?: string | undefined;
}

/** Full name → comment. */
export function* commentsOf(file: IFileDescriptorProto): Generator<[string, string]> {
  const { location = [] } =
    (file as { sourceCodeInfo?: { readonly location?: readonly Location[] } }).sourceCodeInfo ?? {};
  if (location.length === 0) return;
  const comments = new Map(location.map(({ path = [], leadingComments, trailingComments }) => [
    path.join("."),
    (leadingComments || trailingComments || "").replace(/^ /gm, "").trim(),
  ]));
  const scope = file.package ? `${file.package}.` : "";
  for (const [path, name] of namesOf(file, scope)) {
    const comment = comments.get(path);
    if (comment) yield [name, comment];
  }
}

/** The way to each thing that may have a comment, and its full name. */
function* namesOf(file: IFileDescriptorProto, scope: string): Generator<[string, string]> {
  const list = function* (items: readonly Named[] | undefined | null, path: string, outer: string) {
    for (const [i, { name = "" }] of (items ?? []).entries()) {
      yield [`${path}.${i}`, `${outer}${name}`] as [string, string];
    }
  };
  function* enums(items: IDescriptorProto["enumType"], path: string, outer: string) {
    for (const [i, one] of (items ?? []).entries()) {
      yield* list([one], path, outer).map(([, name]) => [`${path}.${i}`, name] as [string, string]);
      yield* list(one.value, `${path}.${i}.${FIELDS}`, `${outer}${one.name}.`);
    }
  }
  function* messages(
    items: readonly IDescriptorProto[] | undefined,
    path: string,
    outer: string,
  ): Generator<[string, string]> {
    for (const [i, one] of (items ?? []).entries()) {
      const [here, name] = [`${path}.${i}`, `${outer}${one.name}`];
      yield [here, name];
      yield* list(one.field, `${here}.${FIELDS}`, `${name}.`);
      yield* list(one.oneofDecl, `${here}.${ONEOFS}`, `${name}.`);
      yield* list(one.extension, `${here}.${INNER_EXTENSIONS}`, `${name}.`);
      yield* messages(one.nestedType, `${here}.${NESTED}`, `${name}.`);
      yield* enums(one.enumType, `${here}.${INNER_ENUMS}`, `${name}.`);
    }
  }
  yield* messages(file.messageType, String(MESSAGES), scope);
  yield* enums(file.enumType, String(ENUMS), scope);
  yield* list(file.extension, String(EXTENSIONS), scope);
  for (const [i, service] of (file.service ?? []).entries()) {
    yield [`${SERVICES}.${i}`, `${scope}${service.name}`];
    yield* list(service.method, `${SERVICES}.${i}.${FIELDS}`, `${scope}${service.name}.`);
  }
}

/** Puts comments where a parser of `.proto` files has them. */
export function giveComments(
  scope: protobuf.NamespaceBase,
  comments: ReadonlyMap<string, string>,
): void {
  const give = (object: protobuf.ReflectionObject, name = fullName(object)) => {
    const comment = comments.get(name);
    if (comment !== undefined) object.comment = comment;
  };
  for (const object of scope.nestedArray) {
    give(object);
    if (object instanceof protobuf.Type) {
      for (const field of object.fieldsArray) {
        give(field, `${fullName(object)}.${protoName(field)}`);
      }
      object.oneofsArray.forEach((oneof) => give(oneof));
    }
    if (object instanceof protobuf.Service) object.methodsArray.forEach((method) => give(method));
    if (object instanceof protobuf.Enum) {
      for (const value of Object.keys(object.values)) {
        const comment = comments.get(`${fullName(object)}.${value}`);
        if (comment !== undefined) object.comments[value] = comment;
      }
    }
    if (object instanceof protobuf.Namespace) giveComments(object, comments);
  }
}
