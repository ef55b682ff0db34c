/**
 * The hub's ports: whether they are free for it, or what answers there.
 *
 *     a hub runs   answers   what is said
 *     no           no        free
 *     no           yes       another program, or a hub with another state folder, has it
 *     yes          no        the hub that runs was started with other options
 *     yes          yes       and is looked at: TLS with the certificate of the file, upgrade, health
 *
 * @module
 */
import { randomBytes, X509Certificate } from "node:crypto";
import { formatHostPort, type HostPort } from "../../../shared/cli/parse_host_port.ts";
import { shownChain } from "../../../shared/doctor/chain.ts";
import type { Check, Finding } from "../../../shared/doctor/check.ts";
import { type NetworkTarget, openTcp, openTls } from "../../../shared/doctor/open.ts";
import { askHealth, askHttp } from "../../../shared/doctor/questions.ts";
import { loadCertificate } from "../../../shared/tls/load.ts";
import { SUBPROTOCOL } from "../../../shared/websocket/upgrade.ts";
import { listen } from "../../net/listen.ts";
import type { ListenAddress } from "../../net/listen_options.ts";
import { toListen, wildcardHost } from "../serve_config.ts";
import type { ExaminedHub } from "./examined_hub.ts";

/** What a hub says to a server that gives no name: nothing else says this. */
const HUB_SAYS = "X-Hub-Meta-Name";
const LOOPBACK: Readonly<Record<string, string>> = { "::": "127.0.0.1", "0.0.0.0": "127.0.0.1" };

/** A port that the options name. */
interface Port extends ListenAddress {
  readonly name: string;
  readonly flag: string;
  readonly hasTls: boolean;
}

/** One check or more for each port that the options name. */
export function portChecks(hub: ExaminedHub): Check[] {
  const { tunnelListen, callListen, metricsListen, peerListen } = hub.values;
  const { tls, tlsCert, callTls, tunnelPath } = hub.values;
  const looks = (rest: { address: HostPort; name: string; flag: string; hasTls?: boolean }) =>
    new PortLook(hub, rest);
  const tunnel = looks({
    address: tunnelListen,
    name: "tunnel port",
    flag: "--tunnel-listen",
    hasTls: tls || tlsCert !== undefined,
  });
  const call = looks({
    address: callListen,
    name: "call port",
    flag: "--call-listen",
    hasTls: callTls,
  });
  const others = [
    ...metricsListen === undefined ? [] : [
      looks({ address: metricsListen, name: "metrics", flag: "--metrics-listen" }),
    ],
    ...peerListen === undefined ? [] : [
      looks({ address: peerListen, name: "peer port", flag: "--peer-listen" }),
    ],
  ];
  return [
    tunnel.check,
    tunnel.tlsCheck("tunnel TLS", "http/1.1"),
    {
      name: "WebSocket",
      run: () => tunnel.ifAnswers(() => upgradeFinding(tunnel.target("http/1.1"), tunnelPath)),
      remedy: tunnel.strangerRemedy,
    },
    call.check,
    call.tlsCheck("call TLS", "h2"),
    {
      name: "health",
      run: () => call.ifAnswers(() => healthFinding(call.target("h2"))),
      remedy: call.strangerRemedy,
    },
    ...others.map(({ check }) => check),
  ];
}

/** A look at one port; who answers there is asked once. */
class PortLook {
  readonly #hub: ExaminedHub;
  readonly #port: Port;
  #answers: Promise<boolean> | undefined;

  constructor(
    hub: ExaminedHub,
    { address, name, flag, hasTls = false }: {
      readonly address: HostPort;
      readonly name: string;
      readonly flag: string;
      readonly hasTls?: boolean;
    },
  ) {
    this.#hub = hub;
    this.#port = { ...toListen(address, wildcardHost()), name, flag, hasTls };
  }

  get check(): Check {
    const { name, flag } = this.#port;
    const remedy = () => `Run this as the user of the hub, or name another address with ${flag}`;
    return { name, run: () => this.#finding(), remedy };
  }

  readonly strangerRemedy = (): string => {
    const { port, flag } = this.#port;
    return `Find who has the port with: ss -ltnp 'sport = :${port}', or take another with ${flag}`;
  };

  tlsCheck(name: string, alpn: string): Check {
    const { hasTls } = this.#port;
    return {
      name,
      run: () => hasTls ? this.ifAnswers(() => this.#tlsFinding(alpn)) : Promise.resolve(undefined),
      remedy: () => `Does that port speak TLS? ${this.strangerRemedy()}`,
    };
  }

  /** Nothing is to be found out about a port where nobody is. */
  async ifAnswers(find: () => Promise<Finding>): Promise<Finding | undefined> {
    return this.#port.port !== 0 && await this.#isAnswered() ? await find() : undefined;
  }

  target(alpn: string): NetworkTarget {
    const { hostname, port, hasTls } = this.#port;
    const host = LOOPBACK[hostname] ?? hostname;
    // Who is there is known by its certificate, not by its name.
    const tls = hasTls ? { serverName: host, skipVerify: true } : undefined;
    return { address: { host, port }, proxy: undefined, tls, alpn, signal: this.#hub.signal };
  }

  async #finding(): Promise<Finding | undefined> {
    const { hostname, port, flag } = this.#port;
    if (port === 0) return { text: `${flag} takes any free port: give one to have it checked` };
    const isRunning = await this.#isRunning();
    const isAnswered = await this.#isAnswered();
    const at = formatHostPort({ host: hostname, port });
    if (isAnswered && isRunning === false) {
      const text = `${at} has another program, or a hub that keeps its state elsewhere`;
      return { level: "fail", text, remedy: this.strangerRemedy() };
    }
    if (isAnswered) return { text: `${at} answers` };
    if (isRunning) {
      return {
        level: "fail",
        text: `A hub runs, and does not listen on ${at}`,
        remedy: "Give this command the options of that hub, or start it again with these",
      };
    }
    listen({ ...this.#port, alpn: [] }).close();
    return { text: `${at} is free` };
  }

  #isRunning(): Promise<boolean | undefined> {
    return this.#hub.state.isRunning.catch(() => undefined);
  }

  #isAnswered(): Promise<boolean> {
    return this.#answers ??= isAnswered(this.target(""));
  }

  async #tlsFinding(alpn: string): Promise<Finding> {
    const { tlsCert, tlsCertFile, tlsKeyFile: keyFile } = this.#hub.values;
    const socket = (await openTls(this.target(alpn)))!;
    try {
      const text = `${socket.getProtocol()}; ${shownChain(socket)}`;
      const file = tlsCert ?? tlsCertFile ?? "";
      const { cert } = await loadCertificate(file, { keyFile });
      if (socket.getPeerCertificate().fingerprint256 === new X509Certificate(cert).fingerprint256) {
        return { text: `${text}, as in ${file}` };
      }
      return {
        level: "fail",
        text: `${text}: that is not the certificate in ${file}`,
        remedy: "Have the hub use it: ghub reload, or systemctl reload ghub, and read its log",
      };
    } finally {
      socket.destroy();
    }
  }
}

async function isAnswered(target: NetworkTarget): Promise<boolean> {
  try {
    (await openTcp(target)).destroy();
    return true;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    // The address is none of this machine's: to listen there will say so.
    if (code === "ECONNREFUSED" || code === "EADDRNOTAVAIL") return false;
    throw error;
  }
}

async function upgradeFinding(target: NetworkTarget, path: string): Promise<Finding> {
  const answer = await askHttp(
    target,
    [
      `GET ${path} HTTP/1.1`,
      `Host: ${formatHostPort(target.address)}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
      "",
      "",
    ].join("\r\n"),
  );
  if (answer.includes(HUB_SAYS)) return { text: `a hub takes the upgrade at ${path}` };
  const [status = ""] = answer.split("\r\n", 1);
  throw new Error(`It answers to an upgrade at ${path} as no hub does: ${status || "nothing"}`);
}

async function healthFinding(target: NetworkTarget): Promise<Finding> {
  const status = await askHealth(target);
  if (status === "SERVING") return { text: status };
  return { level: "warn", text: status, remedy: "It drains: start it again if that has no end" };
}
