/**
 * `gclient config get-contexts|use-context|set-context|delete-context|view`: the contexts of the config
 * file (`client/connect/contexts.ts`).
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import type { Argument, Options } from "../../shared/cli/option.ts";
import { configKey, CONTEXT_KEYS, type Option } from "../../shared/cli/option.ts";
import type { Command, Context, Raw } from "../../shared/cli/command.ts";
import { UsageError } from "../../shared/cli/program.ts";
import { rulesFault } from "../../shared/files/modes.ts";
import { replaceFile } from "../../shared/files/replace_file.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";
import { defaultServerOptions } from "../call/server_options.ts";
import { connectionOptions } from "../connect/connection_options.ts";
import { contextNames, fileOf } from "../connect/contexts.ts";
import { table } from "../print/table.ts";

/** What a context may hold. */
const contextOptions: Options = { ...connectionOptions, ...defaultServerOptions };

const name: Argument = { name: "name", summary: "The context", complete: contextNames };

const writes = { needs: () => ["write"] as const };

export const configCommand: Command = {
  name: "config",
  summary: "Keeps the addresses and credentials of several hubs under names",
  commands: [
    {
      name: "get-contexts",
      summary: "Lists the contexts",
      examples: ["gclient config get-contexts", "gclient config get-contexts -o name"],
      options: {
        format: {
          flag: "--output",
          short: "-o",
          value: "FORMAT",
          choices: ["table", "name"],
          defaultText: "table",
          help: "name prints the names alone",
        },
      },
      run: async (context) => {
        const { contexts, current } = (await readFile(context)).content();
        const names = Object.keys(contexts);
        const rows = names.map((name) => [
          name === current ? "*" : " ",
          name,
          String(contexts[name]?.["server-addr"] ?? ""),
          String(contexts[name]?.["server"] ?? ""),
        ]);
        const text = context.options["format"] === "name"
          ? names.map((name) => `${name}\n`).join("")
          : table(["CURRENT", "NAME", "SERVER-ADDR", "SERVER"], rows);
        await context.io.stdout.write(text);
        return 0;
      },
    },
    {
      ...writes,
      name: "use-context",
      summary: "Makes a context the current one: it counts when you name no hub",
      examples: ["gclient config use-context prod"],
      args: [name],
      run: async (context) => {
        const file = await readFile(context);
        const [wanted = ""] = context.args;
        file.mustHave(wanted);
        file.document.set(CONTEXT_KEYS.current, wanted);
        file.write();
        await context.io.stderr.write(`Now "${wanted}" counts\n`);
        return 0;
      },
    },
    {
      ...writes,
      name: "set-context",
      summary: "Makes a context, or changes the options of one that are given",
      description:
        "Makes a context, or changes the options of one that are given. Files are kept " +
        "by their whole path. The first context counts at once.",
      examples: [
        "gclient config set-context prod -s hub.example:9090 --tls --token-file ~/.ghub-token",
        "gclient config set-context test -s localhost:9090 --server edge-1",
      ],
      args: [name],
      options: contextOptions,
      run: async (context) => {
        const file = await readFile(context);
        const [wanted = ""] = context.args;
        if (wanted === "") {
          throw new UsageError("The context's name is empty", {
            hint: "Write a name such as prod",
          });
        }
        if (!file.document.hasIn([CONTEXT_KEYS.all, wanted])) {
          file.document.setIn([CONTEXT_KEYS.all, wanted], file.document.createNode({}));
        }
        for (const [key, value] of given(context.given)) {
          file.document.setIn([CONTEXT_KEYS.all, wanted, key], file.document.createNode(value));
        }
        if (!file.document.has(CONTEXT_KEYS.current)) {
          file.document.set(CONTEXT_KEYS.current, wanted);
        }
        file.write();
        await context.io.stderr.write(`Wrote context "${wanted}" into ${file.path}\n`);
        return 0;
      },
    },
    {
      ...writes,
      name: "delete-context",
      summary: "Deletes a context",
      examples: ["gclient config delete-context test"],
      args: [name],
      run: async (context) => {
        const file = await readFile(context);
        const [wanted = ""] = context.args;
        file.mustHave(wanted);
        file.document.deleteIn([CONTEXT_KEYS.all, wanted]);
        if (file.content().current === wanted) file.document.delete(CONTEXT_KEYS.current);
        file.write();
        return 0;
      },
    },
    {
      name: "view",
      summary: "Prints the config file",
      examples: ["gclient config view"],
      run: async (context) => {
        const file = await readFile(context);
        await context.io.stdout.write(file.text());
        return 0;
      },
    },
  ],
};

/** The flags that were given, as they stand in the file. */
function given(raw: Raw): [key: string, value: unknown][] {
  return Object.entries(raw).flatMap(([key, value]) => {
    const option: Option | undefined = contextOptions[key];
    const name = option === undefined ? undefined : configKey(option);
    if (option === undefined || name === undefined || key === "context") return [];
    // The next command may be given in another folder.
    const isFile = option.complete === "file" && typeof value === "string";
    return [[name, isFile ? resolve(value) : value]];
  });
}

interface Content {
  readonly current: string | undefined;
  readonly contexts: Readonly<Record<string, Record<string, unknown> | null>>;
}

async function readFile({ options, env }: Context) {
  const path = fileOf({ options, env });
  if (path === undefined) {
    throw new UsageError("There is no folder for the config file", {
      hint: "Set XDG_CONFIG_HOME, or name a file with --config",
    });
  }
  const { parseDocument } = await import("yaml");
  const document = parseDocument(await readText(path));
  const [fault] = document.errors;
  if (fault !== undefined) throw new UsageError(`Cannot read ${path}: ${fault.message}`);
  if (document.contents === null) document.contents = document.createNode({}) as never;
  const content = (): Content => {
    const { [CONTEXT_KEYS.current]: current, [CONTEXT_KEYS.all]: contexts } = document.toJS() ?? {};
    return { current, contexts: contexts ?? {} };
  };
  return {
    path,
    document,
    content,
    text: () => document.toString(),
    mustHave(wanted: string): void {
      const names = Object.keys(content().contexts);
      if (names.includes(wanted)) return;
      throw new UsageError(`There is no context "${wanted}" in ${path}`, {
        hint: names.length === 0
          ? "Make one with: gclient config set-context NAME -s HOST:PORT"
          : `It has ${names.join(", ")}`,
      });
    },
    write(): void {
      try {
        const dir = dirname(path);
        Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
        const fault = rulesFault(Deno.statSync(dir), dir);
        if (fault !== undefined) throw new Error(`${dir}: ${fault}`);
        replaceFile(path, document.toString());
      } catch (error) {
        throw new UsageError(`Cannot write ${path}: ${whyUnusable(error)}`, { cause: error });
      }
    },
  };
}

/** Empty if there is no file. */
async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw new UsageError(`Cannot read ${path}: ${whyUnusable(error)}`, { cause: error });
  }
}
