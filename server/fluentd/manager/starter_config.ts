/**
 * Which config Fluentd gets when nobody named one.
 *
 *     named in --fluentd-config, the command, or FLUENT_CONF  → that one
 *     one of the usual places has a file                      → that one
 *     else                                                    → a starter in the state folder
 *
 * Fluentd does not start without a config, and a first try should not end at that. `fluentd
 * --setup` makes one too, but it listens to the whole network.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { join } from "node:path";
import { statOf } from "../../../shared/files/file_info.ts";
import { DEFAULT_CONFIG_PATH, readLaunch } from "./launch.ts";

/** Where packages of Fluentd, and Fluentd itself, put their config. */
const USUAL_PATHS: readonly string[] = [
  DEFAULT_CONFIG_PATH,
  "/etc/fluent/fluentd.conf",
  "/etc/td-agent/td-agent.conf",
];

const STARTER = `# A starter: takes events from this machine alone and writes them to Fluentd's log.
# Replace it, or give gserver your own by --fluentd-config.
<source>
  @type forward
  bind 127.0.0.1
  port 24224
</source>
<match **>
  @type stdout
</match>
`;

export interface StarterOptions {
  readonly command: readonly string[];
  readonly configPath: string | undefined;
  /** Must exist. */
  readonly stateDir: string;
  /** @default USUAL_PATHS */
  readonly usualPaths?: readonly string[];
  /** @default `FLUENT_CONF` of the environment */
  readonly fluentConf?: string | undefined;
}

/** The config to give with `-c`; `undefined` if Fluentd finds its own. */
export async function configOrStarter(options: StarterOptions): Promise<string | undefined> {
  const { command, configPath, stateDir, usualPaths = USUAL_PATHS } = options;
  const fluentConf = "fluentConf" in options ? options.fluentConf : Deno.env.get("FLUENT_CONF");
  const named = configPath ?? readLaunch({ argv: command }).configPath ?? fluentConf;
  if (named !== undefined) return configPath;
  for (const path of usualPaths) {
    if (statOf(path) !== undefined) return path;
  }
  const starter = join(stateDir, "fluent.conf");
  const log = getLogger(["fluentd"]);
  try {
    await Deno.writeTextFile(starter, STARTER, { createNew: true, mode: 0o600 });
    log.info(
      "No config of Fluentd was named or found: a starter was written to {starter}, which takes " +
        "events from this machine alone. Replace it, or name yours by --fluentd-config",
      { starter },
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    log.info("Fluentd gets the config {starter}, as before: no other was named or found", {
      starter,
    });
  }
  return starter;
}
