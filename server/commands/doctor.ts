/**
 * `gserver doctor [name]`: the way to the hub, step by step, with the options of `gserver serve`.
 *
 * It registers nothing unless `--register` says so: under the name of a server that runs, it would take
 * that one's place.
 *
 * @module
 */
import { type Context, defineCommand } from "../../shared/cli/command.ts";
import type { Check } from "../../shared/doctor/check.ts";
import { concludeDoctor, doctorOptions, examineAloud } from "../../shared/doctor/doctor.ts";
import { networkChecks } from "../../shared/doctor/network_checks.ts";
import { bareHost } from "../../shared/net/bare_host.ts";
import { proxyFor, targetOf } from "../../shared/net/proxy.ts";
import { VERSION } from "../../shared/version.ts";
import { dial } from "../dial/dial.ts";
import { DialError } from "../dial/dial_error.ts";
import { loadTls, readProxyCa } from "../dial/tls_material.ts";
import { readToken } from "../dial/token.ts";
import { type ServerConfig, toConfig } from "./serve_config.ts";
import { options } from "./serve_options.ts";

export const serverDoctorCommand = defineCommand({
  name: "doctor",
  summary: "Checks the way to the hub, step by step",
  description: "Checks the way to the hub, step by step, with the options of serve: name, proxy, " +
    "TCP, TLS, the WebSocket's upgrade, and the token. Exits with 3 if a check fails.",
  examples: [
    "gserver doctor --hub-uri wss://hub.example/ws --tls-ca-cert-file ca.crt",
    "gserver doctor edge-1 --config gserver.yaml --register --bundle report.json",
  ],
  args: [{ name: "name", summary: "the server's name at the hub", optional: true }],
  options: {
    register: {
      flag: "--register",
      help: "Also registers, and leaves at once: a server that runs under this name is displaced",
      perRun: true,
    },
    ...doctorOptions,
    ...options,
  },
  async run(context) {
    const { args, options: values, env, io, signal } = context;
    const machine = { env, hostname: Deno.hostname(), uid: Deno.uid() };
    const { server } = toConfig(args, values, machine);
    const checked = [];
    for (const hubUri of [server.hubUri].flat()) {
      const checks = await checksOf(hubUri, server, { register: values.register, signal });
      checked.push(...await examineAloud(checks, io, { ...values, of: hubUri.href }));
    }
    return concludeDoctor(checked, { program: "gserver", bundle: values.bundle, context });
  },
});

interface ChecksOptions {
  readonly register: boolean;
  readonly signal: Context["signal"];
}

async function checksOf(
  hubUri: URL,
  server: ServerConfig["server"],
  { register, signal }: ChecksOptions,
): Promise<Check[]> {
  const { name, token = {}, tls = {}, labels = {}, env = {}, pins } = server;
  const target = targetOf(hubUri);
  const proxy = proxyFor(target, { proxy: server.proxy, env });
  const material = await loadTls(tls);
  const proxyCa = await readProxyCa(server.proxyCaCertFile);
  const host = bareHost(target.host);
  const way = { hubUri, tls: material, pins, proxy, proxyCa, signal };
  const instance = crypto.randomUUID();
  return [
    ...networkChecks({
      address: { host, port: target.port },
      proxy,
      tls: hubUri.protocol !== "wss:" ? undefined : {
        serverName: tls.serverName ?? host,
        skipVerify: tls.insecureSkipVerify ?? false,
        ca: material.ca,
        cert: material.cert,
        key: material.key,
      },
      alpn: "http/1.1",
      signal,
    }),
    {
      name: "WebSocket",
      isVital: true,
      async run() {
        const registration = { name: "", labels: {}, instance, version: VERSION };
        const answer = await dial({ ...way, registration }, ({ socket }) => socket.terminate())
          .then(() => undefined, (error: unknown) => error);
        // A hub that saw the upgrade looks for a name next.
        if (answer instanceof DialError && answer.message.includes("X-Hub-Meta-Name")) {
          return { text: "the upgrade reaches the hub" };
        }
        throw answer ??
          new Error("What answers there accepts servers without a name: it is no hub");
      },
      remedy: (error) =>
        error instanceof DialError && error.hint !== undefined
          ? error.hint
          : "Have the proxy before the hub pass Upgrade on (nginx: proxy_set_header Upgrade)",
    },
    {
      name: "token",
      isVital: true,
      async run() {
        const found = await readToken(token);
        if (found === undefined) return { text: "there is none: the hub must know this machine" };
        return { text: `from ${token.file ?? "GSERVER_TOKEN"}` };
      },
    },
    {
      name: "register",
      async run() {
        if (!register) return undefined;
        const registration = { name, labels, instance, version: VERSION };
        const own = await readToken(token);
        await dial({ ...way, registration, token: own }, ({ socket }) => socket.terminate());
        return { text: `the hub takes this machine as ${name}` };
      },
      remedy: (error) => error instanceof DialError ? error.hint : undefined,
    },
  ];
}
