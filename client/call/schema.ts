/**
 * Descriptors of files as a server hands them out → types to call with.
 *
 * Servers hand out less than compilers do: files of an import that carries nothing but options, types
 * under the names of other files (Node's official reflection has all of Google's types in
 * `google_protobuf.proto`), imports that no file declares. What counts is that each type that is used is
 * there once. Options are not needed to call, so nothing is asked for their sake.
 *
 * Names of fields are data: protobufjs makes code and keys of them, and its messages have a prototype.
 * So a name that is no plain identifier, or one that objects have already, is another one inside.
 *
 * @module
 */
import protobuf from "protobufjs";
import descriptor, {
  type IDescriptorProto,
  type IFieldDescriptorProto,
  type IFileDescriptorProto,
} from "protobufjs/ext/descriptor";
import { commentsOf, giveComments } from "./schema_comments.ts";
import { fileDescriptors } from "../../shared/grpc/file_descriptors.ts";
import { root as ours } from "../../shared/grpc/root.ts";

/** A server that has more files for one service, those that it cannot give included, is not believed. */
export const MAX_FILES = 2000;

/** Files that every description gets: `--envelope` has a `google.rpc.Status`. */
const ALWAYS = ["google.rpc.Status", "google.rpc.ErrorInfo"];

/** Options of messages, fields, … are extended by whoever has some. */
const OPTIONS = /^\.?google\.protobuf\.\w+Options$/;

/** Collects files until nothing is missing. */
export class Schema {
  readonly #files = new Map<string, IFileDescriptorProto>();
  /** Full names of all messages, enums and services that are there. */
  readonly #declared = new Set<string>();
  /** Names of fields that have another one inside, by type and number. */
  readonly #names = new Map<string, string>();

  /** The bytes of each file, as they came. */
  readonly #bytes = new Map<string, Uint8Array>();
  /** Comments by full name, where a file has them. */
  readonly #comments = new Map<string, string>();

  get fileCount(): number {
    return this.#files.size;
  }

  /** Adds a file, as the bytes of its descriptor. What is there already stays as it is. */
  add(bytes: Uint8Array): void {
    const file = descriptor.FileDescriptorProto.decode(bytes) as unknown as IFileDescriptorProto;
    const { name = "" } = file;
    if (this.#files.has(name)) return;
    const scope = file.package ? `${file.package}.` : "";
    this.#bytes.set(name, bytes);
    for (const [path, comment] of commentsOf(file)) this.#comments.set(path, comment);
    const isNew = ({ name = "" }: { name?: string }) => !this.#declared.has(scope + name);
    file.messageType = (file.messageType ?? []).filter(isNew);
    file.enumType = (file.enumType ?? []).filter(isNew);
    file.service = (file.service ?? []).filter(isNew);
    file.extension = withoutOptions(file.extension);
    this.#files.set(name, file);
    for (const type of [...file.enumType, ...file.service]) {
      this.#declared.add(`${scope}${type.name}`);
    }
    for (const type of file.messageType) {
      this.#declare(type, scope);
      makeSafe(type, file.package ?? "", this.#names);
    }
  }

  has(file: string): boolean {
    return this.#files.has(file);
  }

  /** Adds the file of our own that has this name, unless it is there. Is there one? */
  addOwnFile(name: string): boolean {
    const file = ownFiles().get(name);
    if (file === undefined) return false;
    this.add(file.bytes);
    return true;
  }

  /** Adds a file of our own that declares this type. Is there one? */
  addOwnType(name: string): boolean {
    const file = [...ownFiles().values()].find(({ symbols }) => symbols.includes(name));
    if (file === undefined) return false;
    // Under a name that no server can have given a file of its own.
    if (this.has(file.name)) this.#files.set(`${file.name} of the server`, this.#take(file.name));
    this.add(file.bytes);
    return true;
  }

  /** Files that are imported and not there. */
  missingFiles(): Set<string> {
    const imported = [...this.#files.values()].flatMap(({ dependency }) => dependency ?? []);
    return new Set((imported as string[]).filter((name) => !this.#files.has(name)));
  }

  /** Types that fields, extensions and methods refer to, and that are not there. */
  missingTypes(): Set<string> {
    const missing = new Set<string>();
    for (const file of this.#files.values()) {
      const scope = file.package ?? "";
      const refer = (name: string | undefined, from: string) => {
        if (name && !this.#finds(name, from)) missing.add(name.replace(/^\./, ""));
      };
      const field = ({ typeName, extendee }: IFieldDescriptorProto, from: string) => {
        refer(typeName, from);
        refer(extendee, from);
      };
      const message = (type: IDescriptorProto, outer: string) => {
        const here = join(outer, type.name);
        for (const one of type.field ?? []) field(one, here);
        for (const one of type.extension ?? []) field(one, here);
        for (const nested of type.nestedType ?? []) message(nested, here);
      };
      for (const type of file.messageType ?? []) message(type, scope);
      for (const one of file.extension ?? []) field(one, scope);
      for (const service of file.service ?? []) {
        for (const { inputType, outputType } of service.method ?? []) {
          refer(inputType, join(scope, service.name));
          refer(outputType, join(scope, service.name));
        }
      }
    }
    return missing;
  }

  /**
   * The types.
   *
   * @throws {Error} If they contradict each other.
   */
  build(): protobuf.Root {
    for (const type of ALWAYS) if (!this.#declared.has(type)) this.addOwnType(type);
    for (const name of this.missingTypes()) this.addOwnType(name);
    const file = [...this.#files.values()];
    const root = protobuf.Root.fromDescriptor({ file }, { keepCase: true });
    for (const type of messageTypes(root)) giveNamesBack(type, this.#names);
    if (this.#comments.size > 0) giveComments(root, this.#comments);
    return root;
  }

  /** All files, each after those that it imports, for a set of descriptors. */
  files(): Uint8Array[] {
    const found: Uint8Array[] = [];
    const seen = new Set<string>();
    const add = (name: string) => {
      const file = this.#files.get(name);
      const bytes = this.#bytes.get(name);
      if (file === undefined || bytes === undefined || seen.has(name)) return;
      seen.add(name);
      file.dependency?.forEach(add);
      found.push(bytes);
    };
    for (const name of this.#files.keys()) add(name);
    return found;
  }

  #take(name: string): IFileDescriptorProto {
    const file = this.#files.get(name)!;
    this.#files.delete(name);
    return file;
  }

  #declare(type: IDescriptorProto, scope: string): void {
    const name = scope + type.name;
    this.#declared.add(name);
    for (const nested of type.enumType ?? []) this.#declared.add(`${name}.${nested.name}`);
    for (const nested of type.nestedType ?? []) this.#declare(nested, `${name}.`);
  }

  /** A name with a dot before it is a full one, another is looked for from the inside outwards. */
  #finds(name: string, scope: string): boolean {
    if (name.startsWith(".")) return this.#declared.has(name.slice(1));
    for (let outer = scope;; outer = outer.slice(0, Math.max(0, outer.lastIndexOf(".")))) {
      if (this.#declared.has(join(outer, name))) return true;
      if (outer === "") return false;
    }
  }
}

function join(scope: string, name = ""): string {
  return scope === "" ? name : `${scope}.${name}`;
}

function withoutOptions(extensions: IFieldDescriptorProto[] = []): IFieldDescriptorProto[] {
  return extensions.filter(({ extendee = "" }) => !OPTIONS.test(extendee));
}

let own: ReturnType<typeof fileDescriptors> | undefined;

/** Our files, and Google's that protobufjs brings along. */
function ownFiles(): ReturnType<typeof fileDescriptors> {
  if (own !== undefined) return own;
  const google = new protobuf.Root();
  for (const name of Object.keys(protobuf.common)) {
    const file = name.startsWith("google/") ? protobuf.common.get(name) : null;
    if (file?.nested !== undefined) google.addJSON(file.nested);
  }
  google.resolveAll();
  // Whole files: our root has no more of Google's types than it needs.
  own = new Map([...fileDescriptors(ours), ...fileDescriptors(google)]);
  return own;
}

/** What objects and messages have already. */
const TAKEN = new Set([
  ...Object.getOwnPropertyNames(Object.prototype),
  ...Object.getOwnPropertyNames(protobuf.Message.prototype),
]);

function isSafe(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name) && !TAKEN.has(name);
}

/** Gives fields names that protobufjs can take; what they are called is kept in `names`. */
function makeSafe(type: IDescriptorProto, scope: string, names: Map<string, string>): void {
  const here = join(scope, type.name);
  for (const field of type.field ?? []) {
    const { name = "", number = 0 } = field;
    if (isSafe(name)) continue;
    names.set(`${here} ${number}`, name);
    // Before the name is lost of which the JSON name is made.
    field.jsonName ||= protobuf.util.jsonName(name);
    field.name = `field_${number}`;
  }
  for (const [index, oneof] of (type.oneofDecl ?? []).entries()) {
    if (!isSafe(oneof.name ?? "")) oneof.name = `oneof_${index}`;
  }
  type.extension = withoutOptions(type.extension);
  for (const nested of type.nestedType ?? []) makeSafe(nested, here, names);
}

function giveNamesBack(type: protobuf.Type, names: ReadonlyMap<string, string>): void {
  for (const field of type.fieldsArray) {
    const name = names.get(`${type.fullName.slice(1)} ${field.id}`);
    if (name !== undefined) Object.assign(field, { protoName: name });
  }
}

function* messageTypes(scope: protobuf.NamespaceBase): Generator<protobuf.Type> {
  for (const object of scope.nestedArray) {
    if (object instanceof protobuf.Type) yield object;
    if (object instanceof protobuf.Namespace) yield* messageTypes(object);
  }
}
