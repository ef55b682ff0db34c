/**
 * `gserver doctor [name]`: the way to the hub, step by step, with the options of `gserver serve`.
 *
 * It registers nothing unless `--register` says so: under the name of a server that runs, it would take
 * that one's place. Only a tunnel that is registered can carry an echo, and be silent.
 *
 * @module
 */
import { type Context, defineCommand } from "../../shared/cli/command.ts";
import type { Check } from "../../shared/doctor/check.ts";
import {
  concludeDoctor,
  doctorOptions,
  examineAloud,
  idleOption,
} from "../../shared/doctor/doctor.ts";
import {
  idleCheck,
  networkChecks,
  type Skew,
  skewFinding,
} from "../../shared/doctor/network_checks.ts";
import { bareHost } from "../../shared/net/bare_host.ts";
import { proxyFor, targetOf } from "../../shared/net/proxy.ts";
import { VERSION } from "../../shared/version.ts";
import { dial } from "../dial/dial.ts";
import { DialError } from "../dial/dial_error.ts";
import { loadTls, readProxyCa } from "../dial/tls_material.ts";
import { readToken } from "../dial/token.ts";
import { DoctorTunnel } from "./doctor_tunnel.ts";
import { type ServerConfig, toConfig } from "./serve_config.ts";
import { options } from "./serve_options.ts";

export const serverDoctorCommand = defineCommand({
  name: "doctor",
  summary: "Checks the way to the hub, step by step",
  description: "Checks the way to the hub, step by step, with the options of serve: name, proxy, " +
    "TCP, TLS, the WebSocket's upgrade, clock, and the token; with --register also the " +
    "registration and an echo through the tunnel. Exits with 3 if a check fails.",
  examples: [
    "gserver doctor --hub-uri wss://hub.example/ws --tls-ca-cert-file ca.crt",
    "gserver doctor edge-1 --config gserver.yaml --register --bundle report.json",
    "gserver doctor edge-1 --config gserver.yaml --register --idle 2m",
  ],
  args: [{ name: "name", summary: "The server's name at the hub", optional: true }],
  options: {
    register: {
      flag: "--register",
      help: "Also registers, and leaves at once: a server that runs under this name is displaced",
      perRun: true,
    },
    idleMs: idleOption,
    ...doctorOptions,
    ...options,
  },
  async run(context) {
    const { args, options: values, env, io, signal } = context;
    const machine = { env, hostname: Deno.hostname(), uid: Deno.uid() };
    const { server } = toConfig(args, values, machine);
    const checked = [];
    for (const hubUri of [server.hubUri].flat()) {
      await using tunnels = new AsyncDisposableStack();
      const { register, idleMs } = values;
      const checks = await checksOf(hubUri, server, { register, idleMs, tunnels, signal });
      checked.push(...await examineAloud(checks, io, { ...values, of: hubUri.href }));
    }
    return concludeDoctor(checked, { program: "gserver", bundle: values.bundle, context });
  },
});

const NOT_REGISTERED = { level: "-", text: "not tried: --register opens a tunnel" } as const;

interface ChecksOptions {
  readonly register: boolean;
  readonly idleMs: number | undefined;
  /** Ends the tunnel that is registered. */
  readonly tunnels: AsyncDisposableStack;
  readonly signal: Context["signal"];
}

async function checksOf(
  hubUri: URL,
  server: ServerConfig["server"],
  { register, idleMs, tunnels, signal }: ChecksOptions,
): Promise<Check[]> {
  const { name, token = {}, tls = {}, labels = {}, env = {}, pins } = server;
  const target = targetOf(hubUri);
  const proxy = proxyFor(target, { proxy: server.proxy, env });
  const material = await loadTls(tls);
  const proxyCa = await readProxyCa(server.proxyCaCertFile);
  const host = bareHost(target.host);
  const way = { hubUri, tls: material, pins, proxy, proxyCa, signal };
  const instance = crypto.randomUUID();
  let clock: Skew | undefined;
  let tunnel: DoctorTunnel | undefined;
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
        const askedAtMs = Date.now();
        const answer = await dial({ ...way, registration }, ({ socket }) => socket.terminate())
          .then(() => undefined, (error: unknown) => error);
        // A hub that saw the upgrade looks for a name next.
        if (answer instanceof DialError && answer.message.includes("X-Hub-Meta-Name")) {
          const nowMs = Date.now();
          const { dateMs } = answer;
          clock = dateMs === undefined ? undefined : {
            // It has no fractions of a second.
            aheadMs: dateMs + 500 - (askedAtMs + nowMs) / 2,
            roundTripMs: nowMs - askedAtMs,
          };
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
      name: "clock",
      run: () =>
        Promise.resolve(
          clock === undefined
            ? { level: "-" as const, text: "this version of the hub does not tell its time" }
            : skewFinding(clock),
        ),
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
      isVital: true,
      async run() {
        if (!register) return NOT_REGISTERED;
        const registration = { name, labels, instance, version: VERSION };
        const own = await readToken(token);
        tunnel = tunnels.use(
          await dial({ ...way, registration, token: own }, (open) => new DoctorTunnel(open)),
        );
        return { text: `the hub takes this machine as ${name}` };
      },
      remedy: (error) => error instanceof DialError ? error.hint : undefined,
    },
    {
      name: "echo",
      isVital: true,
      async run() {
        if (tunnel === undefined) return NOT_REGISTERED;
        await tunnel.echo(signal);
        return { text: "the hub sends back what comes through the tunnel" };
      },
      remedy: () =>
        "Does another server of this name run, or a proxy on the way that keeps back what is small?",
    },
    !register && idleMs !== undefined
      ? { name: "idle", run: () => Promise.resolve(NOT_REGISTERED) }
      : idleCheck(idleMs, {
        async open() {
          const echo = () => tunnel!.echo(signal);
          await echo();
          return echo;
        },
        signal,
        remedy: "What stands on the way ends silent connections: raise its limit (nginx: " +
          "proxy_read_timeout), or ping more often: --ping-interval here and at the hub",
      }),
  ];
}
