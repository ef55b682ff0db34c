/**
 * `ghub doctor`: what an operator wants to know of a hub's machine, with the options of `ghub serve`. What
 * it checks stands in `doctor/`, and is loaded when it runs.
 *
 * @module
 */
import { defineCommand } from "../../shared/cli/command.ts";
import { doctorOptions } from "../../shared/doctor/doctor.ts";
import { options } from "./serve_options.ts";

export const hubDoctorCommand = defineCommand({
  name: "doctor",
  summary: "Checks this machine and its hub, step by step",
  description: "Checks the machine of a hub, with the options of serve: files, state folder, " +
    "audit, ports and who answers there, names, clock, open files, and the cluster. Give it the " +
    "options, the config file and the user of the hub. It changes nothing, and may run while the " +
    "hub does: the hub then logs and audits an upgrade that it refuses, and a look at its health. " +
    "Exits with 3 if a check fails.",
  examples: [
    "ghub doctor --config /etc/ghub/ghub.yaml",
    "ghub doctor --tunnel-listen :443 --tls-cert /etc/ghub/hub.crt --call-tls --bundle report.json",
  ],
  options: { ...doctorOptions, ...options },
  run: async (context) => (await import("./doctor/examine_hub.ts")).examineHub(context),
});
