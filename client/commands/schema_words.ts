/**
 * Completion of what a server's schema names: methods, symbols, and fields after `--set`.
 *
 * The server is the one that is named, before the symbol or after it, or the only one at the hub; else
 * the hub itself is asked.
 *
 * @module
 */
import protobuf from "protobufjs";
import type { CompletionContext } from "../../shared/cli/program.ts";
import { fullName, jsonName } from "../../shared/codec/fields.ts";
import { methodPath } from "../../shared/grpc/service.ts";
import { messageTypes } from "../call/call.ts";
import { Catalog } from "../call/catalog.ts";
import { ownMethod } from "../call/own_method.ts";
import { Reflection } from "../call/reflection.ts";
import { askServers } from "../call/server_list.ts";
import { shareChannels } from "../call/route.ts";
import { readSchemaFiles } from "../call/schema_files.ts";
import type { SchemaValues } from "../call/schema_options.ts";
import { isServerName } from "../../shared/registration/server_name.ts";
import { completionRoute, serverNames } from "./server_argument.ts";
import { symbolFirst } from "./server_first.ts";

/** More services are not asked about. */
const MAX_SERVICES = 50;

/** Gives what is known at the end of the way to a catalog. */
async function withCatalog<T>(
  context: CompletionContext,
  server: string | undefined,
  use: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  const route = await completionRoute(context);
  const { deadline, nextDeadline } = route;
  await using channels = new AsyncDisposableStack();
  const shared = shareChannels(route, { channels, deadline });
  let asked: Promise<Reflection> | undefined;
  const ask = async () => {
    const named = server ?? await onlyServer({ ...shared, deadline });
    return new Reflection({ ...shared, server: named }, nextDeadline);
  };
  const files = await readSchemaFiles(context.options as SchemaValues);
  return await use(new Catalog({ files, reflection: () => asked ??= ask() }));
}

async function onlyServer(route: Parameters<typeof askServers>[0]): Promise<string | undefined> {
  const [first, ...others] = await askServers(route, {});
  return others.length === 0 ? first?.name : undefined;
}

async function services(catalog: Catalog): Promise<protobuf.Service[]> {
  const names = (await catalog.services()).slice(0, MAX_SERVICES);
  const found = await Promise.all(names.map(async (name) => {
    const { root, symbol } = await catalog.find(name);
    return root.lookup(`.${symbol}`);
  }));
  return found.filter((one) => one instanceof protobuf.Service);
}

/** The first argument of `call`: a method, or the server whose method is named next. */
export function methodOrServerWords(context: CompletionContext): Promise<string[]> {
  return eitherOf([methodWords(context, undefined), serverNames(context)]);
}

/** Any further one: the methods of the server that stands first, or a server. */
export function afterMethodWords(context: CompletionContext): Promise<string[]> {
  return afterFirst(context, methodWords);
}

/** The first argument of `describe`. */
export function symbolOrServerWords(context: CompletionContext): Promise<string[]> {
  return eitherOf([symbolWords(context, undefined), serverNames(context)]);
}

/** The second one. */
export function afterSymbolWords(context: CompletionContext): Promise<string[]> {
  return afterFirst(context, symbolWords);
}

type Words = (context: CompletionContext, server: string | undefined) => Promise<string[]>;

async function afterFirst(context: CompletionContext, words: Words): Promise<string[]> {
  const [first = "", ...others] = context.args;
  if (others.length > 0 || !isServerName(first)) return await serverNames(context);
  // What has no capital letter may be a symbol all the same.
  return await words(context, first).catch(() => serverNames(context));
}

/** All that some of them give: one that fails hides no other. */
async function eitherOf(asked: readonly Promise<string[]>[]): Promise<string[]> {
  const given = await Promise.allSettled(asked);
  return given.flatMap((one) => one.status === "fulfilled" ? one.value : []);
}

/** `package.Service/Method`. */
function methodWords(context: CompletionContext, server: string | undefined): Promise<string[]> {
  return withCatalog(
    context,
    server,
    async (catalog) =>
      (await services(catalog)).flatMap((service) =>
        service.methodsArray.map((method) => methodPath(method).slice(1))
      ),
  );
}

/** Services, and the messages of their methods. */
function symbolWords(context: CompletionContext, server: string | undefined): Promise<string[]> {
  return withCatalog(context, server, async (catalog) => {
    const found = await services(catalog);
    const messages = found.flatMap((service) =>
      service.methodsArray.flatMap((method) => Object.values(messageTypes(method)))
    );
    return [...new Set([...found, ...messages].map(fullName))].sort();
  });
}

/** Completes `--set` for a method of our own. */
export function fieldsOf(name: string): (context: CompletionContext) => string[] {
  return ({ word }) => fieldWords(messageTypes(ownMethod(name)).request, word);
}

/** Completes `--set` for the method that the line names. */
export async function fieldsOfNamed(context: CompletionContext): Promise<string[]> {
  const [name, server] = symbolFirst(context.args);
  if (name === undefined) return [];
  return await withCatalog(context, server, async (catalog) => {
    const method = await catalog.method(name, { offline: false });
    return fieldWords(messageTypes(method).request, context.word);
  });
}

/** `wait=`; after a dot the fields within; after the sign the values of an enum or a bool. */
function fieldWords(type: protobuf.Type, word: string): string[] {
  const path = word.split("=", 1)[0]!.split(".");
  const last = path.pop()!;
  let scope = type;
  for (const name of path) {
    const inner = scope.fieldsArray.find((field) => jsonName(field) === name)?.resolve();
    if (!(inner?.resolvedType instanceof protobuf.Type) || inner.map) return [];
    scope = inner.resolvedType;
  }
  const before = path.map((name) => `${name}.`).join("");
  if (!word.includes("=")) return scope.fieldsArray.map((field) => `${before}${jsonName(field)}=`);
  const field = scope.fieldsArray.find((field) => jsonName(field) === last)?.resolve();
  const values = field?.type === "bool"
    ? ["true", "false"]
    : field?.resolvedType instanceof protobuf.Enum
    ? Object.keys(field.resolvedType.values)
    : [];
  return values.map((value) => `${before}${last}=${value}`);
}
