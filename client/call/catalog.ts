/**
 * What can be called, from all that is known of it:
 *
 *     --proto, --protoset   >   reflection   >   the services in the box
 *
 * The services in the box (health, Fluentd, the hub, reflection) are known of every server, also of one
 * that has no reflection. Reflection comes before them: a server may be newer than this program.
 *
 * A method has its full name, `package.Service/Method`, or with a dot before it; or as much of the end of
 * it as only one method has.
 *
 * @module
 */
import protobuf from "protobufjs";
import { UsageError } from "../../shared/cli/program.ts";
import { root as ours } from "../../shared/grpc/root.ts";
import { methodPath } from "../../shared/grpc/service.ts";
import { closest } from "../../shared/text/closest.ts";
import type { Reflection } from "./reflection.ts";
import { ReflectionError, UnknownSymbolError } from "./reflection_errors.ts";

/** Services whose types this program has. */
const IN_THE_BOX = [
  "fluentd.v1.Fluentd",
  "ghub.v1.Hub",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

/** No more methods are named by a hint. */
const MAX_NAMED = 8;

export interface CatalogOptions {
  /** What `--proto` and `--protoset` have given. */
  readonly files: readonly protobuf.Root[] | undefined;
  /** Absent: nobody is asked. */
  readonly reflection: (() => Promise<Reflection>) | undefined;
}

export class Catalog {
  readonly #files: readonly protobuf.Root[];
  readonly #reflection: CatalogOptions["reflection"];

  constructor({ files = [], reflection }: CatalogOptions) {
    this.#files = files;
    this.#reflection = reflection;
  }

  /**
   * Full names of all services, sorted. Without reflection, those of the files, if there are any.
   *
   * @throws {ReflectionError} If asking does not work.
   */
  async services(): Promise<string[]> {
    const ofFiles = this.#files.flatMap((root) => [...servicesOf(root)]);
    try {
      const told = await (await this.#reflection?.())?.services() ?? [];
      return [...new Set([...ofFiles, ...told])].sort();
    } catch (error) {
      if (!(error instanceof ReflectionError) || !error.isAbsent || ofFiles.length === 0) {
        throw error;
      }
      return ofFiles.sort();
    }
  }

  /** Do the files have it? */
  inFiles(symbol: string): boolean {
    return this.#files.some((root) => isThere(root, symbol));
  }

  /** Do the files have a method of this name, or of this end of a name? */
  methodInFiles(name: string): protobuf.Method | undefined {
    return this.#only(name, this.#files);
  }

  /**
   * The types among which this symbol is, and its full name.
   *
   * @throws {ReflectionError} If asking does not work.
   * @throws {UsageError} If there is nothing of that name.
   */
  async find(symbol: string): Promise<{ readonly root: protobuf.Root; readonly symbol: string }> {
    const name = symbol.replace(/^[./]/, "").replace("/", ".");
    for (const root of this.#files) if (isThere(root, name)) return { root, symbol: name };
    const short = this.#shortInFiles(name);
    if (short !== undefined) return placeOf(short);
    const reflection = await this.#reflection?.();
    if (reflection === undefined) {
      throw new UsageError(`No file of --proto or --protoset has "${name}"`, {
        hint: hintOf(name, await this.services()),
      });
    }
    let unknown: unknown;
    // Not all servers know more than the names of services and types.
    for (const asked of [name, parentOf(name)]) {
      if (asked === "") break;
      try {
        const root = await reflection.describe(asked);
        if (isThere(root, name)) return { root, symbol: name };
      } catch (error) {
        if (error instanceof ReflectionError && error.isAbsent) {
          if (IN_THE_BOX.some((service) => isOf(name, service))) {
            return { root: ours, symbol: name };
          }
          throw error;
        }
        if (!(error instanceof UnknownSymbolError)) throw error;
        unknown ??= error;
      }
    }
    if (IN_THE_BOX.some((service) => isOf(name, service))) return { root: ours, symbol: name };
    const [service, ...others] = (await this.services()).filter((one) => one.endsWith(`.${name}`));
    if (service !== undefined && others.length === 0) {
      return { root: await reflection.describe(service), symbol: service };
    }
    try {
      return placeOf(await this.#byEnd(reflection, name, new UnknownSymbolError("")));
    } catch (error) {
      if (!(error instanceof UnknownSymbolError)) throw error;
      throw unknown ?? new UnknownSymbolError(`There is no "${name}"`);
    }
  }

  /** A service or a method of the files by the end of its name, if only one has it. */
  #shortInFiles(end: string): protobuf.ReflectionObject | undefined {
    const services = this.#files.flatMap((root) =>
      [...servicesOf(root)].filter((name) => name.endsWith(`.${end}`))
        .map((name) => root.lookup(`.${name}`)!)
    );
    return services.length === 1 ? services[0] : this.methodInFiles(end);
  }

  /**
   * A method.
   *
   * @param options.offline Nobody is asked for what is in the box.
   * @throws {ReflectionError} If asking does not work.
   * @throws {UsageError} If it is no such name, or no one method has it.
   */
  async method(
    name: string,
    { offline = false }: { readonly offline?: boolean } = {},
  ): Promise<protobuf.Method> {
    if (!/^\/?(?:[\w.]+\/)?\w+$|^[\w.]+\.\w+$/.test(name)) {
      throw new UsageError(`"${name}" is not a method`, {
        hint: "Write package.Service/Method, such as fluentd.v1.Fluentd/GetStatus",
      });
    }
    const inFiles = this.methodInFiles(name);
    if (inFiles !== undefined) return inFiles;
    const full = name.replace(/^\//, "").replace("/", ".");
    const inBox = IN_THE_BOX.includes(parentOf(full)) ? methodIn(ours, full) : undefined;
    if (inBox !== undefined && (offline || this.#reflection === undefined)) return inBox;
    const reflection = await this.#reflection?.();
    if (reflection === undefined) {
      throw new UsageError(`No file of --proto or --protoset has the method "${name}"`, {
        hint: hintOf(parentOf(full), await this.services()),
      });
    }
    try {
      return await this.#ofService(reflection, full);
    } catch (error) {
      const isAbsent = error instanceof ReflectionError && error.isAbsent;
      const isUnknown = error instanceof UnknownSymbolError;
      if (inBox !== undefined && (isAbsent || isUnknown)) return inBox;
      if (isUnknown) return await this.#byEnd(reflection, full, error);
      throw error;
    }
  }

  /** By its full name. */
  async #ofService(reflection: Reflection, full: string): Promise<protobuf.Method> {
    const service = parentOf(full);
    if (service === "") throw new UnknownSymbolError(`There is no method "${full}"`);
    const root = await reflection.describe(service);
    const method = methodIn(root, full);
    if (method !== undefined) return method;
    const found = root.lookup(`.${service}`);
    const isPackage = found instanceof protobuf.Namespace && !(found instanceof protobuf.Type) &&
      !(found instanceof protobuf.Service);
    if (isPackage) throw new UnknownSymbolError(`"${service}" is no service`);
    const methods = found instanceof protobuf.Service ? Object.keys(found.methods) : [];
    throw new UsageError(`"${service}" has no method "${full.slice(service.length + 1)}"`, {
      hint: methods.length === 0 ? "It is no service" : `It has ${methods.join(", ")}`,
    });
  }

  /** By the end of its name, if only one has it. */
  async #byEnd(
    reflection: Reflection,
    end: string,
    unknown: UnknownSymbolError,
  ): Promise<protobuf.Method> {
    const part = parentOf(end);
    const services = (await reflection.services())
      .filter((service) => part === "" || service.endsWith(`.${part}`));
    const roots = [];
    for (const service of services) roots.push(await reflection.describe(service));
    const method = this.#only(end, roots);
    if (method !== undefined) return method;
    if (part !== "") throw unknown;
    const names = roots.flatMap((root) => [...methodsOf(root)]).map(({ name }) => name);
    const near = closest(end, names);
    throw new UnknownSymbolError(`No service has a method "${end}"`, {
      hint: near === undefined ? "Write package.Service/Method" : `Did you mean ${near}?`,
    });
  }

  /** @throws {UsageError} If several have that name. */
  #only(name: string, roots: readonly protobuf.Root[]): protobuf.Method | undefined {
    const end = name.replace(/^\//, "").replace("/", ".");
    const found = new Map<string, protobuf.Method>();
    for (const root of roots) {
      const exact = methodIn(root, end);
      if (exact !== undefined) return exact;
      for (const method of methodsOf(root)) {
        const path = methodPath(method).slice(1);
        if (`.${path.replace("/", ".")}`.endsWith(`.${end}`) && !found.has(path)) {
          found.set(path, method);
        }
      }
    }
    if (found.size <= 1) return [...found.values()][0];
    throw new UsageError(`Several methods are called "${name}"`, {
      hint: `Write one of ${[...found.keys()].slice(0, MAX_NAMED).join(", ")}`,
    });
  }
}

function hintOf(name: string, services: readonly string[]): string {
  const near = closest(name, services);
  return near === undefined ? `They have ${services.join(", ")}` : `Did you mean ${near}?`;
}

function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf(".")));
}

/** Is it this service, or one of its methods? */
function isOf(name: string, service: string): boolean {
  return name === service || parentOf(name) === service;
}

function placeOf(
  { root, fullName }: protobuf.ReflectionObject,
): { readonly root: protobuf.Root; readonly symbol: string } {
  return { root, symbol: fullName.slice(1) };
}

/** Is there more of that name than a package? */
function isThere(root: protobuf.Root, name: string): boolean {
  const object = root.lookup(`.${name}`);
  if (object !== null) {
    return !(object instanceof protobuf.Namespace) || object instanceof protobuf.Type ||
      object instanceof protobuf.Service;
  }
  const outer = parentOf(name) === "" ? root : root.lookup(`.${parentOf(name)}`);
  const last = name.slice(name.lastIndexOf(".") + 1);
  const has = (one: unknown) => one instanceof protobuf.Enum && Object.hasOwn(one.values, last);
  return has(outer) || (outer instanceof protobuf.Namespace && outer.nestedArray.some(has)) ||
    (outer instanceof protobuf.Type && outer.fieldsArray.some((field) => field.protoName === last));
}

function methodIn(root: protobuf.Root, full: string): protobuf.Method | undefined {
  const service = parentOf(full) === "" ? null : root.lookup(`.${parentOf(full)}`);
  const name = full.slice(full.lastIndexOf(".") + 1);
  if (!(service instanceof protobuf.Service)) return undefined;
  return Object.hasOwn(service.methods, name) ? service.methods[name] : undefined;
}

/** Full names of all services. */
export function* servicesOf(scope: protobuf.NamespaceBase): Generator<string> {
  for (const object of scope.nestedArray) {
    if (object instanceof protobuf.Service) yield object.fullName.slice(1);
    else if (object instanceof protobuf.Namespace) yield* servicesOf(object);
  }
}

function* methodsOf(scope: protobuf.NamespaceBase): Generator<protobuf.Method> {
  for (const object of scope.nestedArray) {
    if (object instanceof protobuf.Service) yield* object.methodsArray;
    else if (object instanceof protobuf.Namespace) yield* methodsOf(object);
  }
}
