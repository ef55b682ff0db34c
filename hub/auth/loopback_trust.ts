/**
 * Whether an address of loopback says that somebody is on the hub's own machine. In some containers
 * it says nothing, because the program that forwards a port is the one that connects:
 *
 *     what the hub finds                                 `--trust-loopback auto`
 *     /run/.containerenv, container=podman or =oci       no: podman#5138, rootless podman
 *     KUBERNETES_SERVICE_HOST                            no: kubectl port-forward
 *     /.dockerenv, container=docker                      yes, with a warning: rootless Docker may
 *     anything else, such as systemd-nspawn and LXC      yes
 *
 * Docker that runs as root tells the true address, or that of its bridge. Rootless Docker looks the
 * same from inside, and may tell 127.0.0.1 (rootlesskit#155).
 *
 * @see https://systemd.io/CONTAINER_INTERFACE
 * @module
 */
import type { Env } from "../../shared/cli/command.ts";

/** Values of `--trust-loopback`. */
export const LOOPBACK_CHOICES = ["auto", "yes", "no"] as const;
export type LoopbackChoice = typeof LOOPBACK_CHOICES[number];

/** What is known of where the hub runs. */
export interface Surroundings {
  readonly env: Env;
  readonly exists: (path: string) => boolean;
  /** Whether other machines can reach a port of the hub at all. */
  readonly isReachable: boolean;
}

export interface LoopbackTrust {
  readonly trusted: boolean;
  /** A sentence for the log at start. */
  readonly warning?: string;
}

/** What a peer from loopback is told that is refused for this reason. */
export const LOOPBACK_SAYS_NOTHING =
  "to come from loopback counts for nothing here: ghub --trust-loopback";

/** Values of `container` whose port forwarders show strangers as 127.0.0.1. */
const FORWARDING: ReadonlySet<string | undefined> = new Set(["podman", "oci"]);

/** Decides it once, at the hub's start. */
export function loopbackTrust(choice: LoopbackChoice, around: Surroundings): LoopbackTrust {
  if (choice !== "auto") return { trusted: choice === "yes" };
  const mark = forwardingMark(around);
  if (mark !== undefined) {
    return {
      trusted: false,
      warning: `This is a container (${mark}) whose port forwarder may show strangers as ` +
        "127.0.0.1: servers and callers from loopback need a token too. If none leads here, " +
        "start with --trust-loopback yes",
    };
  }
  if (!around.isReachable || !isDocker(around)) return { trusted: true };
  return {
    trusted: true,
    warning: "This is a Docker container, and whoever comes from its loopback needs no token: " +
      "rootless Docker may show strangers as 127.0.0.1. There, start with --trust-loopback no; " +
      "--trust-loopback yes says that it is not rootless",
  };
}

function forwardingMark({ env, exists }: Surroundings): string | undefined {
  if (exists("/run/.containerenv")) return "/run/.containerenv";
  if (FORWARDING.has(env["container"])) return `container=${env["container"]}`;
  return env["KUBERNETES_SERVICE_HOST"] ? "KUBERNETES_SERVICE_HOST" : undefined;
}

function isDocker({ env, exists }: Surroundings): boolean {
  return exists("/.dockerenv") || env["container"] === "docker";
}
