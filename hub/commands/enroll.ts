/**
 * `ghub enroll`, `unenroll` and `enrolled`: gives each server a token of its own (auth/enrolment.ts).
 *
 * The token goes into a file, and its hash to the hub. What is printed are the lines for the machine,
 * without a secret in them.
 *
 * @module
 */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { UsageError } from "../../shared/cli/program.ts";
import { defineCommand, type Env } from "../../shared/cli/command.ts";
import { DURATION, parseDuration } from "../../shared/cli/parse_duration.ts";
import { parseLabels } from "../../shared/registration/labels.ts";
import { isNamePart, NAME_PART_RULE } from "../../shared/registration/server_name.ts";
import { shellWord } from "../../shared/text/shell_word.ts";
import { DAY_MS } from "../../shared/tls/day.ts";
import { loadAuthorities } from "../../shared/tls/load.ts";
import { makeTokenFile } from "./auth.ts";
import {
  enrolledFolder,
  enrolledNames,
  type Enrolment,
  readEnrolled,
  removeEnrolled,
  writeEnrolled,
} from "../auth/enrolment.ts";
import { CLUSTER_FILE } from "../cluster/remembered.ts";
import { type AuthorityFile, authorityFile } from "./authority_file.ts";
import { existingStateDir, SERVICE_STATE_DIR, stateDirOption } from "./command_state_dir.ts";

/** No timer waits for the end of a token: it may be later than one could keep. */
const MAX_KEEP_MS = 365 * DAY_MS;

const stateDir = { ...stateDirOption, help: "Where the hub keeps its state" } as const;
const nameArgument = { name: "name", summary: "The server's name" } as const;

const enroll = defineCommand({
  name: "enroll",
  summary: "Gives a server a token of its own, and prints the lines to run there",
  description:
    "Makes a token with which one server can register, under its own name and no other. Bring the " +
    "file with the token to that server. The hub gets the token's hash, and knows it within a " +
    "second. Once the server has used it, the join token cannot register that name any more.",
  examples: [
    "ghub enroll edge-1 --hub-uri wss://hub.example/ws --ca ca.crt",
    "ghub enroll edge-1 --hub-uri wss://hub-a.example/ws --hub-uri wss://hub-b.example/ws",
    "ghub enroll edge-1 --labels env=prod,site=ams",
    "ghub enroll edge-1 --renew",
  ],
  notes: "A server can carry the labels that it is enrolled with, and no others.",
  args: [nameArgument],
  options: {
    stateDir,
    labels: {
      flag: "--labels",
      value: "LABELS",
      parse: parseLabelFlag,
      defaultText: "none; with --renew those that it had",
      perRun: true,
      help: "Labels that it may carry: env=prod,site=ams",
    },
    hubUri: {
      flag: "--hub-uri",
      value: "URI",
      many: true,
      parse: parseUris,
      defaultText: "wss://, this machine's name, /ws",
      help: "How that machine dials the hub; repeat it for all hubs that it shall have tunnels to",
    },
    ca: {
      flag: "--ca",
      value: "FILE",
      defaultText: "the one next to the hub's certificate, if that is found",
      help: "The authority of the hub's certificate, if it is your own: to be brought there too",
      complete: "file",
    },
    tokenFile: {
      flag: "--token-file",
      value: "FILE",
      defaultText: "NAME.token",
      perRun: true,
      help: "The file for the token; it must not exist yet",
      complete: "file",
    },
    renew: {
      flag: "--renew",
      perRun: true,
      help: "Makes another token for a server that is enrolled",
    },
    keepMs: {
      flag: "--keep",
      ...DURATION,
      parse: (text: string) => parseDuration(text, { maxMs: MAX_KEEP_MS }),
      default: 30 * DAY_MS,
      perRun: true,
      help: "With --renew: how long the older tokens stay good",
    },
  },
  run: async ({ args: [name = ""], options, io, env }) => {
    const { labels, tokenFile = `${name}.token`, renew, keepMs } = options;
    if (!isNamePart(name)) {
      throw new UsageError(`"${name}" is not a server name`, {
        hint: `A name is ${NAME_PART_RULE}, such as edge-1`,
      });
    }
    const folder = existingStateDir(options.stateDir, env);
    if (options.ca !== undefined) await loadAuthorities(options.ca, { flag: "--ca" });
    const before = enrolledNames(folder).includes(name)
      ? readEnrolled(folder, name).entry
      : undefined;
    if (before !== undefined && !renew) {
      throw new UsageError(`"${name}" is enrolled already`, {
        hint: "Give --renew to make another token for it, or unenroll it first",
      });
    }
    if (before === undefined && renew) throw notEnrolled(name);
    const untilMs = Date.now() + keepMs;
    const older = (before?.tokens ?? [])
      .filter(({ expiresAtMs = Infinity }) => expiresAtMs > Date.now())
      .map(({ sha256, expiresAtMs = Infinity }) => ({
        sha256,
        expiresAtMs: Math.min(expiresAtMs, untilMs),
      }));
    const kept = labels ?? Object.fromEntries(
      before?.labels.map(({ key, values }) => [key.pattern, values[0]?.pattern ?? ""]) ?? [],
    );
    const sha256 = makeTokenFile(tokenFile, "Name another file: --token-file new.token")
      .replace(/^sha256:/, "");
    const enrolment: Enrolment = {
      name,
      labels: kept,
      tokens: [...older.slice(-MAX_OLDER), { sha256, expiresAtMs: undefined }],
    };
    try {
      writeEnrolled(folder, enrolment);
    } catch (error) {
      Deno.removeSync(tokenFile);
      throw error;
    }
    if (renew) {
      const place = "put it there in the place of its token file, whatever that is called";
      await io.stdout.write(
        `# Bring ${tokenFile} to ${name}, and ${place}: it is used within 5 s\n`,
      );
      if (older.length > 0) {
        const until = new Date(untilMs).toISOString();
        await io.stderr.write(`note: its older tokens are good until ${until} at the latest\n`);
      }
      return 0;
    }
    const given = options.hubUri.flat();
    const uris = given.length > 0 ? given : [`wss://${Deno.hostname()}/ws`];
    const authority = options.ca !== undefined
      ? { file: options.ca }
      : uris.some((uri) => uri.startsWith("wss:"))
      ? await hubAuthority(folder, env)
      : undefined;
    const ca = authority && "file" in authority ? authority.file : undefined;
    await io.stdout.write(linesFor({ name, uris, ca, tokenFile, labels: kept }));
    if (authority !== undefined && "unknown" in authority) {
      await io.stderr.write(
        `note: no --ca, and ${authority.unknown}: if an authority of your own signed it, name that ` +
          "with --ca ca.crt, because the machine must know it\n",
      );
    }
    if (uris.length > 1 || isOfCluster(folder)) {
      const file = `${enrolledFolder(folder)}/${name}.yaml`;
      await io.stderr.write(`note: the other hubs do not know the token: copy ${file} to each\n`);
    }
    if (uris.length === 1 && isOfCluster(folder)) {
      await io.stderr.write(
        "note: this hub is one of a cluster: repeat --hub-uri, or set GHUB_HUB_URI to the URIs of " +
          "all hubs with commas, and the server has a tunnel to another one when this one dies\n",
      );
    }
    return 0;
  },
});

/** Older tokens that a server may have in addition to its newest one. */
const MAX_OLDER = 3;

/** Where the unit in `systemd/` keeps the hub's certificate. */
const SERVICE_CERT = "/etc/ghub/hub.crt";

/** What the machine needs to trust the hub, as far as this machine can tell. */
async function hubAuthority(folder: string, env: Env): Promise<AuthorityFile> {
  const certFile = env["GHUB_TLS_CERT"] ??
    (folder === SERVICE_STATE_DIR ? SERVICE_CERT : undefined);
  if (certFile === undefined) return { unknown: "the hub's certificate is not known here" };
  try {
    const found = await authorityFile(await Deno.readTextFile(certFile), certFile);
    if (found === undefined || "file" in found) return found;
    return { unknown: `the authority of ${certFile} (${found.unknown}) is not next to it` };
  } catch {
    return { unknown: `the hub's certificate ${certFile} cannot be read` };
  }
}

interface Lines {
  readonly name: string;
  readonly uris: readonly string[];
  readonly ca: string | undefined;
  readonly tokenFile: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What to do on the other machine. */
function linesFor({ name, uris, ca, tokenFile, labels }: Lines): string {
  const token = basename(tokenFile);
  const files = ["gserver", ...(ca === undefined ? [] : [ca]), tokenFile];
  const list = Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(",");
  const flags = [
    ...uris.map((uri) => `--hub-uri ${uri}`),
    ...(ca === undefined ? [] : [`--tls-ca-cert-file ${basename(ca)}`]),
    `--token-file ${token}`,
    ...(list === "" ? [] : [`--labels ${shellWord(list)}`]),
  ];
  return [
    `# Bring ${files.join(", ")} to ${name}, and run there:`,
    `chmod 755 gserver && chmod 600 ${token}`,
    `./gserver serve ${name} ${flags.join(" ")}`,
  ].map((line) => `${line}\n`).join("");
}

function notEnrolled(name: string): UsageError {
  return new UsageError(`"${name}" is not enrolled`, {
    hint: 'Run "ghub enrolled": it lists who is',
  });
}

const unenroll = defineCommand({
  name: "unenroll",
  summary: "Revokes a server's own tokens",
  description:
    "Revokes the tokens of that server. If it has opened a tunnel with one of them, the " +
    "hub ends that tunnel within a second.",
  examples: ["ghub unenroll edge-1"],
  args: [nameArgument],
  options: { stateDir },
  run: async ({ args: [name = ""], options, io, env }) => {
    const folder = existingStateDir(options.stateDir, env);
    // A name with slashes in it would lead to a file outside of the folder.
    if (basename(name) !== name || !removeEnrolled(folder, name)) {
      throw notEnrolled(name);
    }
    await io.stdout.write(`${name} is not enrolled any more\n`);
    if (isOfCluster(folder)) {
      await io.stderr.write(
        `note: this hub is one of a cluster: run ghub unenroll ${name} at each of the others, too\n`,
      );
    }
    return 0;
  },
});

const enrolled = defineCommand({
  name: "enrolled",
  summary: "Lists the servers that have a token of their own",
  examples: ["ghub enrolled"],
  options: { stateDir },
  run: async ({ options, io, env }) => {
    const folder = existingStateDir(options.stateDir, env);
    for (const name of enrolledNames(folder)) {
      const { labels, tokens } = readEnrolled(folder, name).entry;
      const list = labels.map(({ key, values }) => `${key.pattern}=${values[0]?.pattern ?? ""}`);
      const count = `${tokens.length} token${tokens.length === 1 ? "" : "s"}`;
      await io.stdout.write([name, list.join(","), count].filter(Boolean).join("  ") + "\n");
    }
    return 0;
  },
});

export const enrollCommands = [enroll, unenroll, enrolled] as const;

function parseLabelFlag(text: string): Readonly<Record<string, string>> {
  try {
    const labels = parseLabels(text);
    // In the hub's file a star stands for anything.
    const star = Object.entries(labels).find((pair) => pair.some((part) => part.includes("*")));
    if (star !== undefined) {
      throw new SyntaxError(`Cannot take label ${star.join("=")}: it has a *`);
    }
    return labels;
  } catch (cause) {
    throw new UsageError((cause as Error).message, {
      hint: "Write --labels env=prod,site=ams",
      cause,
    });
  }
}

/** The hub has joined one: its state folder says so. */
function isOfCluster(folder: string): boolean {
  return statSync(`${folder}/${CLUSTER_FILE}`, { throwIfNoEntry: false }) !== undefined;
}

function parseUris(text: string): string[] {
  return text.split(",").map(parseUri);
}

function parseUri(text: string): string {
  const url = URL.parse(text);
  if (url !== null && /^wss?:$/.test(url.protocol) && /^[\w:/.[\]-]+$/.test(text)) return text;
  throw new UsageError(`"${text}" is not the URI of a hub`, {
    hint: "Write wss://hub.example/ws",
  });
}
