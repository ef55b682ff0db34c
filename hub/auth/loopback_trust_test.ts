import assert from "node:assert/strict";
import { type LoopbackChoice, loopbackTrust, type Surroundings } from "./loopback_trust.ts";

interface Case {
  readonly what: string;
  readonly choice?: LoopbackChoice;
  readonly env?: Surroundings["env"];
  readonly files?: readonly string[];
  readonly isReachable?: boolean;
  readonly trusted: boolean;
  readonly warning?: RegExp;
}

const PODMAN = "/run/.containerenv";
const DOCKER = "/.dockerenv";

const CASES: readonly Case[] = [
  { what: "no container", trusted: true },
  {
    what: "podman by its file",
    files: [PODMAN],
    trusted: false,
    warning: /\.containerenv\).* yes$/,
  },
  {
    what: "podman by its word",
    env: { container: "podman" },
    trusted: false,
    warning: /container=podman/,
  },
  { what: "an OCI runtime", env: { container: "oci" }, trusted: false, warning: /container=oci/ },
  {
    what: "a pod of Kubernetes",
    env: { KUBERNETES_SERVICE_HOST: "10.96.0.1" },
    trusted: false,
    warning: /KUBERNETES_SERVICE_HOST/,
  },
  {
    what: "a pod, though Docker runs it",
    env: { KUBERNETES_SERVICE_HOST: "10.96.0.1" },
    files: [DOCKER],
    trusted: false,
    warning: /KUBERNETES_SERVICE_HOST/,
  },
  {
    what: "podman that listens on loopback alone: its forwarder connects there",
    files: [PODMAN],
    isReachable: false,
    trusted: false,
    warning: /\.containerenv/,
  },
  { what: "Docker by its file", files: [DOCKER], trusted: true, warning: /rootless Docker.* no;/ },
  {
    what: "Docker by its word",
    env: { container: "docker" },
    trusted: true,
    warning: /rootless Docker/,
  },
  {
    what: "Docker, from elsewhere not to be reached",
    files: [DOCKER],
    isReachable: false,
    trusted: true,
  },
  { what: "systemd-nspawn", env: { container: "systemd-nspawn" }, trusted: true },
  { what: "LXC", env: { container: "lxc" }, trusted: true },
  { what: "a word that nobody knows", env: { container: "test" }, trusted: true },
  { what: "an empty word", env: { container: "", KUBERNETES_SERVICE_HOST: "" }, trusted: true },
  { what: "yes, in podman", choice: "yes", files: [PODMAN], trusted: true },
  { what: "yes, in Docker", choice: "yes", files: [DOCKER], trusted: true },
  { what: "no, in no container", choice: "no", trusted: false },
];

Deno.test("D2: in a container whose forwarder shows strangers as 127.0.0.1, loopback is no proof", async (t) => {
  for (
    const { what, choice = "auto", env = {}, files = [], isReachable = true, ...expected } of CASES
  ) {
    await t.step(what, () => {
      const exists = (path: string) => files.includes(path);
      const { trusted, warning } = loopbackTrust(choice, { env, exists, isReachable });
      assert.equal(trusted, expected.trusted);
      if (expected.warning === undefined) assert.equal(warning, undefined);
      else assert.match(warning ?? "", expected.warning);
    });
  }
});
