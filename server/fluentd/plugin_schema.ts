/**
 * Which parameters of a plugin are secret, by what the plugin itself declares.
 *
 *     {"Fluent::Plugin::HTTPOutput": {"endpoint": {"type": "string", …},
 *       "auth": {"section": true, "password": {"type": "string", "secret": true, …}}}}
 *
 * @see https://docs.fluentd.org/plugin-development/plugin-config-formatter
 * @module
 */

/** Sections within sections that are read. */
const MAX_DEPTH = 16;

/** A plugin, or a section within. */
export interface PluginSchema {
  /** Names of parameters: whether each is secret. */
  readonly params: ReadonlyMap<string, boolean>;
  readonly sections: ReadonlyMap<string, PluginSchema>;
  /** The words after the section's own name are secret. */
  readonly secretArg: boolean;
}

type Json = Record<string, unknown>;

interface OpenSchema extends PluginSchema {
  readonly params: Map<string, boolean>;
  readonly sections: Map<string, OpenSchema>;
  secretArg: boolean;
}

function empty(): OpenSchema {
  return { params: new Map(), sections: new Map(), secretArg: false };
}

/** Reads what `fluent-plugin-config-format --format=json` prints; `undefined` if it is no such thing. */
export function parsePluginSchema(text: string): PluginSchema | undefined {
  // A plugin may print something of its own while it is loaded.
  const begin = text.search(/^\{/m);
  let classes: unknown;
  try {
    classes = JSON.parse(text.slice(Math.max(0, begin)));
  } catch {
    return undefined;
  }
  if (!isObject(classes)) return undefined;
  const schema = empty();
  // What a plugin inherits and what its helpers add counts as its own.
  for (const definition of Object.values(classes)) {
    if (isObject(definition)) addTo(schema, definition, 0);
  }
  return schema;
}

function addTo(schema: OpenSchema, definition: Json, depth: number): void {
  if (depth > MAX_DEPTH) return;
  for (const [name, value] of Object.entries(definition)) {
    if (!isObject(value)) continue;
    const names = typeof value.alias === "string" ? [name, value.alias] : [name];
    if (isSection(value)) {
      const section = schema.sections.get(name) ?? empty();
      for (const name of names) schema.sections.set(name, section);
      addTo(section, value, depth + 1);
      continue;
    }
    const secret = value.secret === true;
    if (secret && value.argument === true) schema.secretArg = true;
    for (const name of names) schema.params.set(name, secret || schema.params.get(name) === true);
  }
}

/** A section may have a parameter that is called `type`; a parameter's own `type` is a word. */
function isSection(value: Json): boolean {
  return value.section === true ||
    typeof value.type !== "string" && Object.values(value).some(isObject);
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
