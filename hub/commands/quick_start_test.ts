import assert from "node:assert/strict";
import { quickStart, type QuickStartOptions } from "./quick_start.ts";

const BASE: QuickStartOptions = {
  tunnelAddress: "wss://127.0.0.1:8080/ws",
  tunnelHost: "::",
  callAddress: "127.0.0.1:9090",
  callHost: "0.0.0.0",
  callTls: false,
  allowPlaintextCalls: true,
  stateDir: "/var/lib/ghub",
  machine: "soc-1",
};

Deno.test("quickStart() gives lines to paste, with files in the place of tokens", async (t) => {
  const table: [what: string, options: Partial<QuickStartOptions>, lines: string[]][] = [
    ["all interfaces", {}, [
      "To add a server, run here what gives it a token of its own: " +
      "ghub enroll NAME --state-dir /var/lib/ghub --hub-uri wss://soc-1:8080/ws",
      "To call from elsewhere, copy /var/lib/ghub/operator.token there and run: " +
      "gclient hub servers -s soc-1:9090 --token-file operator.token",
    ]],
    ["a certificate that nobody knows", { authority: { file: "/etc/hub.crt" }, callTls: true }, [
      "To add a server, run here what gives it a token of its own: " +
      "ghub enroll NAME --state-dir /var/lib/ghub --hub-uri wss://soc-1:8080/ws --ca /etc/hub.crt",
      "To call from elsewhere, copy /var/lib/ghub/operator.token and /etc/hub.crt there and run: " +
      "gclient hub servers -s soc-1:9090 --token-file operator.token --tls " +
      "--tls-ca-cert-file hub.crt",
    ]],
    ["an authority that is not next to it", { authority: { unknown: "CN=Example" } }, [
      "To add a server, run here what gives it a token of its own: " +
      "ghub enroll NAME --state-dir /var/lib/ghub --hub-uri wss://soc-1:8080/ws --ca CA.crt " +
      "(CA.crt: the certificate of its authority, CN=Example)",
      "To call from elsewhere, copy /var/lib/ghub/operator.token there and run: " +
      "gclient hub servers -s soc-1:9090 --token-file operator.token",
    ]],
    [
      "one address",
      { tunnelHost: "192.0.2.1", tunnelAddress: "ws://192.0.2.1:80/ws", callHost: "127.0.0.1" },
      [
        "To add a server, run here what gives it a token of its own: " +
        "ghub enroll NAME --state-dir /var/lib/ghub --hub-uri ws://192.0.2.1:80/ws",
      ],
    ],
    ["F12: port 443", { tunnelAddress: "wss://127.0.0.1:443/ws", callHost: "127.0.0.1" }, [
      "To add a server, run here what gives it a token of its own: " +
      "ghub enroll NAME --state-dir /var/lib/ghub --hub-uri wss://soc-1/ws",
    ]],
    ["no TLS for calls", { allowPlaintextCalls: false, tunnelHost: "::1" }, [
      "Calls from other machines are refused without TLS: start with --call-tls and --tls-cert " +
      "(ghub cert make makes a certificate), or with --allow-plaintext-calls",
    ]],
    ["loopback alone", { tunnelHost: "::1", callHost: "localhost" }, []],
  ];
  for (const [what, options, lines] of table) {
    await t.step(what, () => assert.deepEqual(quickStart({ ...BASE, ...options }), lines));
  }
});
