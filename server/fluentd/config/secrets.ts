/**
 * The secrets of the managed Fluentd, so that they can be taken out of an answer wherever they stand and
 * whatever surrounds them: a form alone cannot tell that `hunter2` in an error is somebody's password.
 *
 * | where                               | what of it is secret                                        |
 * | ----------------------------------- | ----------------------------------------------------------- |
 * | a parameter of the config           | what its plugin declares as secret (plugin_schema.ts)       |
 * |                                     | … what its name or form says (redact.ts)                    |
 * |                                     | … of a plugin that is not known: what looks generated, too  |
 * | `#{ENV['NAME']}` in such a value    | the variable's value; of another one, if it looks generated |
 * | the service's environment           | variables whose names say so                                |
 * | the command line, `--inline-config` | as in a config                                              |
 *
 * @module
 */
import { type ConfigElement, parseFluentdConfig } from "./text.ts";
import { inlineConfigOf, type Launch } from "../manager/launch.ts";
import type { PluginSchema } from "../plugin_schema.ts";
import type { PluginName } from "../plugin_schemas.ts";
import { isSecretName, secretsIn } from "../log/redact.ts";

/** A shorter one would be found within words, and masking them would show it. */
const MIN_LENGTH = 6;
/** Values of one config; more are masked by their form alone. */
export const MAX_VALUES = 500;
/** Of one value: what is longer is a file in a parameter. */
const MAX_LENGTH = 8192;
/** Of a hash or array in a value. */
const MAX_DEPTH = 8;

/** Sections whose `@type` names a plugin → its kind. */
const KINDS: Readonly<Record<string, string>> = {
  source: "input",
  match: "output",
  store: "output",
  secondary: "output",
  filter: "filter",
  buffer: "buffer",
  parse: "parser",
  format: "formatter",
  storage: "storage",
  service_discovery: "service_discovery",
};

export interface SecretsOptions {
  /** What is known of a plugin. @default nothing */
  readonly schemaOf?: ((plugin: PluginName) => PluginSchema | undefined) | undefined;
  /** How it is started. */
  readonly launch?: Launch | undefined;
}

/** The plugin that a section configures, if it does. */
function pluginOf({ name, params }: ConfigElement): PluginName | undefined {
  const type = params.get("@type") ?? params.get("type");
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  return kind === undefined || type === undefined ? undefined : { kind, type };
}

/** All plugins that a config names, each once. */
export function pluginsOf(root: ConfigElement): PluginName[] {
  const found = new Map<string, PluginName>();
  const add = (element: ConfigElement) => {
    const plugin = pluginOf(element);
    if (plugin !== undefined) found.set(`${plugin.kind} ${plugin.type}`, plugin);
    element.children.forEach(add);
  };
  add(root);
  return [...found.values()];
}

/** All secret values of a config and of the environment that it is started with. */
export function secretsOf(root: ConfigElement, options: SecretsOptions = {}): Set<string> {
  const { launch } = options;
  const secrets = new SecretSet(options);
  secrets.addElement(root, []);
  if (launch !== undefined) {
    secrets.addEnvironment();
    const inline = inlineConfigOf(launch);
    if (inline !== undefined) secrets.addElement(parseFluentdConfig(inline), []);
    // `env TOKEN=abc fluentd`, and options whose value is the next word.
    for (const text of [...launch.argv, launch.argv.join(" ")]) secrets.addByForm(text);
  }
  return secrets.values;
}

/** Collects values. */
class SecretSet {
  readonly values = new Set<string>();
  readonly #schemaOf: NonNullable<SecretsOptions["schemaOf"]>;
  readonly #launch: Launch | undefined;

  constructor({ schemaOf = () => undefined, launch }: SecretsOptions) {
    this.#schemaOf = schemaOf;
    this.#launch = launch;
  }

  /** @param sections What the plugins around say of this section. */
  addElement(element: ConfigElement, sections: readonly PluginSchema[]): void {
    const plugin = pluginOf(element);
    const own = plugin && this.#schemaOf(plugin);
    const schemas = own === undefined ? sections : [...sections, own];
    if (schemas.some(({ secretArg }) => secretArg)) this.#add(element.arg);
    this.addByForm(element.arg);
    for (const [name, value] of element.params) {
      const declared = schemas.some(({ params }) => params.get(name) === true);
      const known = schemas.some(({ params }) => params.has(name));
      if (declared || isSecretName(name)) {
        this.#addValue(value);
        continue;
      }
      this.addByForm(`${name} ${value}`);
      this.#addLeaves(parsed(value));
      const unknown = plugin !== undefined && !known ? [value] : [];
      for (const text of [...unknown, ...this.#variablesIn(value)]) {
        if (looksGenerated(text)) this.#add(text);
      }
    }
    for (const child of element.children) {
      const within = schemas.map(({ sections }) => sections.get(child.name))
        .filter((section) => section !== undefined);
      this.addElement(child, within);
    }
  }

  addEnvironment(): void {
    const { env = {}, cleanEnv = false } = this.#launch ?? {};
    const all = cleanEnv ? env : { ...Deno.env.toObject(), ...env };
    for (const [name, value] of Object.entries(all)) {
      if (isSecretName(name)) this.#add(value);
      else this.addByForm(value);
    }
  }

  addByForm(text: string): void {
    for (const secret of secretsIn(text)) this.#add(secret);
  }

  /** A secret value, which may be made of others. */
  #addValue(value: string): void {
    const hash = parsed(value);
    if (hash !== undefined) this.#addLeaves(hash, { secret: true });
    this.#variablesIn(value).forEach((text) => this.#add(text));
    // Only Ruby can tell the value, and perhaps also what the words around it mean.
    if (value.includes("#{")) {
      this.addByForm(value);
      return;
    }
    this.#add(value);
    // As it is meant, where it is written with escapes.
    if (value.includes("\\")) this.#add(value.replace(/\\(.)/g, "$1"));
  }

  /** What Ruby in a value takes from the environment. */
  #variablesIn(value: string): string[] {
    const names = value.matchAll(/ENV(?:\.fetch\(|\[)\s{0,4}["']([^"']{1,200})["']/g);
    const { env = {}, cleanEnv = false } = this.#launch ?? {};
    return [...names].map(([, name = ""]) =>
      env[name] ?? (cleanEnv ? undefined : Deno.env.get(name)) ?? ""
    );
  }

  /** @param secret Whether all of it is, and not only what has a secret's name. */
  #addLeaves(value: unknown, { secret = false, depth = 0 } = {}): void {
    if (depth > MAX_DEPTH) return;
    if (typeof value === "string" && secret) this.#add(value);
    if (typeof value !== "object" || value === null) return;
    for (const [name, item] of Object.entries(value)) {
      this.#addLeaves(item, { secret: secret || isSecretName(name), depth: depth + 1 });
    }
  }

  #add(value: string): void {
    if (value.length < MIN_LENGTH || value.length > MAX_LENGTH || ORDINARY.test(value)) return;
    if (this.values.size < MAX_VALUES) this.values.add(value);
  }
}

/** Words that answers have in them anyway: masking them would show that one of them is the secret. */
const ORDINARY = new RegExp(
  "^(?:fluentd?|fluent-package|td-agent|systemd|worker|supervisor|password|secret|localhost|" +
    "active|inactive|activating|running|failed|healthy|starting|stopped|degraded|orphaned|" +
    "success|nochange|crash_loop|failed_started|failed_stopped|output|filter|\\d{1,7})$",
  "i",
);

/** A hash or an array, as Fluentd reads them. */
function parsed(value: string): unknown {
  if (!/^[{[]/.test(value)) return undefined;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

/** Letters and digits that change so often that no person has thought of them. */
function looksGenerated(value: string): boolean {
  if (!/^[A-Za-z0-9+=_~][A-Za-z0-9+/=_~-]{15,}$/.test(value)) return false;
  const changes = value.match(/[A-Za-z](?=\d)|\d(?=[A-Za-z])/g) ?? [];
  return changes.length >= 4;
}
