import assert from "node:assert/strict";
import { isWithoutProgram } from "../../tests/support/daemon.ts";
import { startMicrosocks, startSquid } from "../../tests/support/foreign_proxies.ts";
import { deadPort } from "../../tests/support/dead_port.ts";
import { PATIENCE_MS } from "../../tests/support/until.ts";
import { generateCertificate } from "../../shared/tls/generate.ts";
import type { DialOptions } from "./dial.ts";
import { failure, Peer, startProxy, tryDial, withHub } from "../testing/dial_fixture.ts";
import { nextTry, SLOW_RETRY_MS } from "../tunnel/retry_policy.ts";

const ALPNProtocols = ["http/1.1"];
const LOGIN = "us er:p@ss%25";
const LOGIN_IN_URL = "us%20er:p%40ss%2525";
const withoutSquid = isWithoutProgram("squid");
const withoutSocks = isWithoutProgram("microsocks");

Deno.test("dial() goes through an HTTP proxy", async (t) => {
  const { cert, key } = await generateCertificate(["127.0.0.1"]);
  for (const tls of [undefined, { cert, key }]) {
    await t.step(tls === undefined ? "ws" : "wss", async () => {
      await using proxy = await startProxy("us er:p@ss");
      await withHub(tls === undefined ? {} : { tls }, async (hub) => {
        const url = new URL(`http://us%20er:p%40ss@${proxy.address}`);
        const options: Partial<DialOptions> = { proxy: url, tls: { ALPNProtocols, ca: cert } };
        assert.equal(await tryDial(hub.uri, options), "open");
        assert.match(proxy.seen[0]!, new RegExp(`^CONNECT 127.0.0.1:${hub.port} HTTP/1.1\r\n`));
        // The hub's credential is none of the proxy's business.
        assert.doesNotMatch(proxy.seen[0]!, /^authorization/im);
      });
    });
  }
});

Deno.test({
  name: "E2: a server gets out through a real squid, in plain text and with TLS to squid itself",
  ignore: withoutSquid,
  async fn(t) {
    const { cert, key } = await generateCertificate(["127.0.0.1"]);
    const tls = { ALPNProtocols, ca: cert };
    await withHub({ tls: { cert, key } }, async (hub) => {
      await t.step("without a password", async () => {
        await using squid = await startSquid();
        const proxy = new URL(`http://${squid.address}`);
        assert.equal(await tryDial(hub.uri, { proxy, tls }), "open");
      });
      await t.step("with one", async () => {
        await using squid = await startSquid({ login: LOGIN });
        const proxy = new URL(`http://${LOGIN_IN_URL}@${squid.address}`);
        assert.equal(await tryDial(hub.uri, { proxy, tls }), "open");
      });
      await t.step("TLS to squid, and TLS to the hub within it", async () => {
        const own = await generateCertificate(["127.0.0.1"]);
        await using squid = await startSquid({ login: LOGIN, tls: own });
        const proxy = new URL(`https://${LOGIN_IN_URL}@${squid.address}`);
        assert.equal(await tryDial(hub.uri, { proxy, tls, proxyCa: own.cert }), "open");
        // The hub's authority vouches for no proxy, and the proxy's for no hub.
        const { message, hint } = await failure(hub.uri, { proxy, tls });
        assert.match(`${message} ${hint}`, /through the proxy https:.*--proxy-ca-cert-file/);
        await failure(hub.uri, { proxy, tls: { ALPNProtocols }, proxyCa: own.cert });
      });
    });
    await t.step("a hub in plain text, which no byte of TLS hides", async () => {
      await withHub({}, async (hub) => {
        await using squid = await startSquid();
        const proxy = new URL(`http://${squid.address}`);
        assert.equal(await tryDial(hub.uri, { proxy }), "open");
      });
    });
  },
});

Deno.test({
  name: "E2: a server gets out through a real SOCKS5 proxy, and names are resolved where it says",
  ignore: withoutSocks,
  async fn(t) {
    const { cert, key } = await generateCertificate(["127.0.0.1", "localhost"]);
    const tls = { ALPNProtocols, ca: cert };
    await withHub({ tls: { cert, key } }, async (hub) => {
      const byName = new URL(hub.uri.href.replace("127.0.0.1", "localhost"));
      for (const [login, inUrl] of [[undefined, ""], [LOGIN, `${LOGIN_IN_URL}@`]]) {
        await using socks = await startMicrosocks(login);
        for (const scheme of ["socks5", "socks5h", "socks"]) {
          await t.step(`${scheme}${login === undefined ? "" : " with a password"}`, async () => {
            const proxy = new URL(`${scheme}://${inUrl}${socks.address}`);
            assert.equal(await tryDial(hub.uri, { proxy, tls }), "open");
            assert.equal(await tryDial(byName, { proxy, tls }), "open");
          });
        }
      }
    });
  },
});

/** How a dial ended, and when the next one would come. */
async function refusal(proxy: URL, hub = "wss://hub.example:8443/ws") {
  const error = await failure(new URL(hub), { proxy, timeoutMs: PATIENCE_MS });
  assert.doesNotMatch(`${error.message} ${error.hint}`, /p@ss|p%40ss|ws:\/\//);
  const { waitMs, loud } = nextTry(0, { kind: "failed", ...error }, { random: () => 0.5 });
  return { words: `${error.message}: ${error.hint}`, waitMs, loud };
}

Deno.test({
  name: "F6: a real squid's 407 and 403 are tried again once a minute, loudly",
  ignore: withoutSquid,
  async fn(t) {
    await using squid = await startSquid({ login: LOGIN, ports: [443] });
    await t.step("no password", async () => {
      const { words, ...next } = await refusal(new URL(`http://${squid.address}`));
      assert.match(words, /^The proxy answered 407 \(squid.*wants a user and a password/);
      assert.deepEqual(next, { waitMs: SLOW_RETRY_MS, loud: true });
    });
    await t.step("a wrong one", async () => {
      const { words, ...next } = await refusal(new URL(`http://us:wrong@${squid.address}`));
      assert.match(words, /^The proxy answered 407 .*does not accept this user and password/);
      assert.deepEqual(next, { waitMs: SLOW_RETRY_MS, loud: true });
    });
    const proxy = new URL(`http://${LOGIN_IN_URL}@${squid.address}`);
    await t.step("another port than 443", async () => {
      const { words, ...next } = await refusal(proxy);
      assert.match(words, /^The proxy answered 403 \(squid.*ERR_ACCESS_DENIED.*port 443 only/);
      assert.deepEqual(next, { waitMs: SLOW_RETRY_MS, loud: true });
    });
    await t.step("F9: a hub that is away is not blamed on the proxy's rules", async () => {
      await using open = await startSquid();
      using dead = await deadPort();
      const { words, loud } = await refusal(
        new URL(`http://${open.address}`),
        `wss://${dead.address}/ws`,
      );
      assert.match(words, /^The proxy answered 503 .*lets us through.*is the hub running/);
      assert.doesNotMatch(words, /does not let us/);
      assert.equal(loud, false);
    });
  },
});

Deno.test({
  name: "F6: a SOCKS5 proxy's refusal of a password is tried again once a minute, loudly",
  ignore: withoutSocks,
  async fn() {
    await using socks = await startMicrosocks(LOGIN);
    for (const login of ["", "us:wrong@"]) {
      const { words, ...next } = await refusal(new URL(`socks5h://${login}${socks.address}`));
      assert.match(words, /SOCKS5 proxy .*password/);
      assert.deepEqual(next, { waitMs: SLOW_RETRY_MS, loud: true });
    }
  },
});

Deno.test("dial() says when the proxy is not there: the hub may be", async () => {
  using dead = await deadPort();
  const error = await failure(new URL("ws://hub.example/ws"), {
    proxy: new URL(`http://${dead.address}`),
  });
  assert.match(error.message, /ECONNREFUSED.*through the proxy/);
  assert.match(error.hint ?? "", /^The proxy cannot be reached/);
});

Deno.test("dial() tells a proxy's strange answers, and never to go without TLS", async (t) => {
  const answer = (status: number, more = "") =>
    `HTTP/1.1 ${status} X\r\n${more}Content-Length: 0\r\n\r\n`;
  const table: [what: string, scheme: string, answer: string, words: RegExp, loud: boolean][] = [
    ["502", "http", answer(502), /proxy answered 502: .*is the hub running/, false],
    ["500", "http", answer(500), /proxy answered 500: .*allows CONNECT/, false],
    [
      "NTLM alone",
      "http",
      answer(407, "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n"),
      /407: The proxy wants Negotiate, and only .*cntlm/,
      true,
    ],
    ["goes away", "http", "", /closed the connection \(through the proxy http:\/\/…@127/, false],
    ["nonsense", "http", "nonsense\r\n\r\n", /did not answer in HTTP: .*socks5h/, false],
    ["an endless head", "http", "x".repeat(20_000), /no end within 16384 bytes/, false],
    ["no SOCKS", "socks5", answer(400), /did not answer in SOCKS5: .*http:\/\//, false],
    ["half of SOCKS", "socks5", "\x05", /closed the connection/, false],
    ["no method in common", "socks5", "\x05\xff", /takes neither a user with a password/, true],
    ["not allowed", "socks5", "\x05\x00\x05\x02\x00\x01", /not allowed by its rules: Ask/, true],
    ["unreachable", "socks5", "\x05\x00\x05\x04\x00\x01", /host unreachable: .*hub running/, false],
    ["no TLS", "https", answer(400), /speaks no TLS itself: write http:\/\/.*password then/, false],
  ];
  for (const [what, scheme, bytes, words, loud] of table) {
    await t.step(what, async () => {
      await using peer = await Peer.start((socket) =>
        socket.once("data", () => socket.end(bytes, "latin1"))
      );
      // An address, so that socks5: has no name to resolve.
      const said = await refusal(
        new URL(`${scheme}://${LOGIN_IN_URL}@${peer.address}`),
        "wss://192.0.2.1:8443/ws",
      );
      assert.match(said.words, words);
      assert.equal(said.loud, loud);
    });
  }
});
