/**
 * Services that files describe: `.proto` files, and sets of descriptors as `protoc --descriptor_set_out`
 * makes them.
 *
 * A file that is imported and not found is taken from those in the box: Google's, and our own.
 *
 * @module
 */
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor";
import { UsageError } from "../../shared/cli/program.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";
import { MAX_FILES, Schema } from "./schema.ts";
import type { SchemaValues } from "./schema_options.ts";

/** A larger file is refused. */
export const MAX_SCHEMA_BYTES = 64 << 20;

/** The types of each kind of file that was given; `undefined` if none was. */
export async function readSchemaFiles(
  { proto, importPaths, protoset }: SchemaValues,
): Promise<protobuf.Root[] | undefined> {
  const roots: protobuf.Root[] = [];
  if (proto.length > 0) roots.push(await readProtoFiles(proto, importPaths));
  if (protoset.length > 0) roots.push(await readProtosets(protoset));
  return roots.length === 0 ? undefined : roots;
}

async function readProtosets(paths: readonly string[]): Promise<protobuf.Root> {
  const schema = new Schema();
  for (const path of paths) {
    const bytes = await readFile("--protoset", path);
    try {
      const { file = [] } = descriptor.FileDescriptorSet.decode(bytes) as unknown as {
        readonly file: readonly protobuf.Message[];
      };
      for (const one of file) schema.add(descriptor.FileDescriptorProto.encode(one).finish());
    } catch (error) {
      throw unusable("--protoset", path, `it is no set of descriptors: ${messageOf(error)}`);
    }
  }
  try {
    return schema.build();
  } catch (error) {
    throw unusable("--protoset", paths.join(", "), messageOf(error));
  }
}

async function readProtoFiles(
  paths: readonly string[],
  importPaths: readonly string[],
): Promise<protobuf.Root> {
  const root = new protobuf.Root();
  const read = new Set<string>();
  const own = new Schema();
  /** Parses a file, and those that it imports, which come by their names. */
  const add = async (path: string, text: string, folders: readonly string[]): Promise<void> => {
    let imports: readonly string[];
    try {
      const parsed = protobuf.parse(text, root, { keepCase: true, alternateCommentMode: true });
      imports = [...parsed.imports ?? [], ...parsed.weakImports ?? []];
    } catch (error) {
      throw unusable("--proto", path, messageOf(error));
    }
    for (const name of imports) {
      if (read.has(name)) continue;
      read.add(name);
      if (read.size > MAX_FILES) throw unusable("--proto", path, "its imports have no end");
      const found = await findImport(name, folders);
      if (found !== undefined) await add(found.path, found.text, folders);
      else if (!own.addOwnFile(name)) {
        throw unusable(
          "--proto",
          path,
          `it imports "${name}", which is not in ${folders.join(", ")}`,
          {
            hint: "Name the folder that it is in with -I DIR",
          },
        );
      }
    }
  };
  for (const path of paths) {
    const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
    const folders = [folder || "/", ...importPaths];
    // A file that was imported before is not read again.
    const names = folders.filter((one) => path.startsWith(`${one}/`))
      .map((one) => path.slice(one.length + 1));
    if ([path, ...names].some((name) => read.has(name))) continue;
    for (const name of [path, ...names]) read.add(name);
    await add(path, new TextDecoder().decode(await readFile("--proto", path)), folders);
  }
  addMissing(root, own.build());
  try {
    root.resolveAll();
  } catch (error) {
    throw unusable("--proto", paths.join(", "), messageOf(error));
  }
  return root;
}

/** Moves what another root has and this one does not. */
function addMissing(to: protobuf.NamespaceBase, from: protobuf.NamespaceBase): void {
  for (const object of [...from.nestedArray]) {
    const known = to.get(object.name);
    if (known === null) {
      from.remove(object);
      to.add(object);
    } else if (
      known instanceof protobuf.Namespace && object instanceof protobuf.Namespace &&
      !(known instanceof protobuf.Type) && !(known instanceof protobuf.Service)
    ) addMissing(known, object);
  }
}

async function findImport(
  name: string,
  folders: readonly string[],
): Promise<{ readonly path: string; readonly text: string } | undefined> {
  for (const folder of folders) {
    const path = `${folder}/${name}`;
    try {
      return { path, text: await Deno.readTextFile(path) };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw unusable("--proto", path, whyUnusable(error));
      }
    }
  }
  return undefined;
}

async function readFile(flag: string, path: string): Promise<Uint8Array> {
  try {
    const { size, isDirectory } = await Deno.stat(path);
    if (isDirectory) throw new Error("it is a directory");
    if (size > MAX_SCHEMA_BYTES) throw new Error(`it has more than ${MAX_SCHEMA_BYTES} bytes`);
    return await Deno.readFile(path);
  } catch (error) {
    throw unusable(flag, path, whyUnusable(error));
  }
}

function unusable(
  flag: string,
  path: string,
  why: string,
  options: { readonly hint?: string } = {},
): UsageError {
  return new UsageError(`Cannot use ${flag} ${path}: ${why}`, options);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
