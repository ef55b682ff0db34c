/**
 * gclient's commands.
 *
 * @module
 */
import type { Program } from "../shared/cli/command.ts";
import { VERSION } from "../shared/version.ts";
import { authCommand } from "./commands/auth.ts";
import { configCommand } from "./commands/config.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { fluentdCommand } from "./commands/fluentd.ts";
import { hubCommand } from "./commands/hub.ts";
import { loginCommand, logoutCommand } from "./commands/login.ts";
import { callCommand, describeCommand, listCommand } from "./commands/services.ts";
import { topCommand } from "./commands/top.ts";
import { waitCommand } from "./commands/wait.ts";
import { watchCommand } from "./commands/watch.ts";
import { contexts } from "./connect/contexts.ts";
import { EXIT_CODES_HELP } from "./print/exit_code.ts";

export const program: Program = {
  name: "gclient",
  envPrefix: "GCLIENT",
  version: VERSION,
  summary: "Calls servers through the hub",
  examples: [
    "gclient hub servers",
    "gclient fluentd status edge-1",
    "gclient fluentd start edge-1 -s hub.example:9090 --tls --token-file ~/.ghub-token",
    "gclient fluentd start -p -o yaml > req.yaml; gclient fluentd start edge-1 -f req.yaml",
  ],
  notes: EXIT_CODES_HELP,
  commands: [
    ...[fluentdCommand, hubCommand, authCommand, listCommand, describeCommand, callCommand],
    doctorCommand,
    loginCommand,
    logoutCommand,
    waitCommand,
    watchCommand,
    topCommand,
    configCommand,
  ],
  contexts,
};
