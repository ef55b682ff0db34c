/**
 * What stands between gclient and the hub: answers of load balancers, GOAWAYs of others, proxies, and
 * names that are not ASCII.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Connection } from "../../shared/http2/connection.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import type { HeaderList } from "../../shared/http2/header_list.ts";
import { asciiHost } from "./ascii_host.ts";
import type { ConnectionValues } from "./connection_options.ts";
import { runClient, startFakeHub } from "../testing/fake_hub.ts";
import { planHubs } from "../call/route.ts";

interface Listening extends AsyncDisposable {
  readonly port: number;
  readonly address: string;
}

async function listen(serve: (socket: Socket) => void): Promise<Listening> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Speaks HTTP/2, and answers each call with this page: headers and body in one packet. */
function answering(head: HeaderList, body: string): (socket: Socket) => void {
  return (socket) => {
    const write = () => {
      for (let views = peer.take(); views.length > 0; views = peer.take()) {
        socket.write(joined(views));
      }
    };
    const peer = new Connection({
      onOutput: () => queueMicrotask(write),
      onRequest(stream) {
        peer.headers(stream, encodeHeaderList(head), false);
        peer.data(stream, new TextEncoder().encode(body), true);
        return { onHeaders() {}, onData() {}, onReset() {}, onCredit() {}, onDrained() {} };
      },
      onGoaway() {},
      onPong() {},
      onError() {},
      onFault(error) {
        throw error;
      },
    }, { role: "server" });
    peer.start();
    socket.on("data", (bytes: Buffer) => peer.receive(bytes));
  };
}

function joined(views: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(views.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const view of views) {
    whole.set(view, at);
    at += view.length;
  }
  return whole;
}

Deno.test("C3: a page of a load balancer is told as what it is, with its hop and what to do", async (t) => {
  const perhaps = /The outcome is unknown: it may have been carried out/;
  const never = /The call was not delivered: nothing was done/;
  const table: [status: string, code: number, delivery: RegExp, hint: RegExp, more?: HeaderList][] =
    [
      ["301", 66, never, /Name the place that it leads to/, [["location", "https://x.example/"]]],
      ["400", 77, never, /Is .* the hub's call port/],
      ["401", 80, never, /without a login of its own/],
      ["403", 71, never, /rules of the proxy/],
      ["404", 76, never, /grpc_pass/],
      ["413", 66, never, /client_max_body_size/],
      ["429", 78, never, /limits calls/],
      ["500", 66, perhaps, /Is .* the hub's call port/],
      ["502", 78, perhaps, /does not reach the hub/],
      ["503", 78, perhaps, /no hub to pass the call to/],
      ["504", 78, perhaps, /grpc_read_timeout/],
      ["200", 66, perhaps, /Is .* the hub's call port/],
    ];
  for (const [status, code, delivery, hint, more = []] of table) {
    await t.step(`HTTP ${status}`, async () => {
      const head: HeaderList = [
        [":status", status],
        ["server", "nginx/1.22.1"],
        ["content-type", "text/html"],
        ...more,
      ];
      await using balancer = await listen(answering(head, "<html>hmmm, no</html>"));
      const ran = await runClient(["fluentd", "stop", "edge-1", "-n", "-s", balancer.address]);
      assert.equal(ran.code, code, ran.err);
      assert.match(ran.err, new RegExp(`\\(nginx/1\\.22\\.1\\) answered HTTP ${status}`));
      assert.match(ran.err, /^ {2}hop: proxy$/m);
      assert.match(ran.err, delivery);
      assert.match(ran.err, hint);
      assert.doesNotMatch(ran.err, /larger than max|token-file/);
    });
  }
});

Deno.test("C9: a GOAWAY is told with the peer's code and text", async (t) => {
  const goaway = (before: boolean) => (socket: Socket) => {
    const peer = new Connection({
      onOutput: () => queueMicrotask(() => socket.write(joined(peer.take()))),
      onRequest() {
        return { onHeaders() {}, onData() {}, onReset() {}, onCredit() {}, onDrained() {} };
      },
      onGoaway() {},
      onPong() {},
      onError() {},
      onFault() {},
    }, { role: "server" });
    peer.start();
    if (before) peer.goaway(ErrorCode.PROTOCOL_ERROR, { debug: "PROXY protocol expected" });
    socket.on("data", (bytes: Buffer) => {
      peer.receive(bytes);
      if (!before) peer.goaway(ErrorCode.ENHANCE_YOUR_CALM, { debug: "too_many_calls" });
      before = true;
      if (peer.outputBytes > 0) socket.write(joined(peer.take()));
      socket.end();
    });
  };
  await t.step("before the call", async () => {
    await using peer = await listen(goaway(true));
    const ran = await runClient(["fluentd", "stop", "edge-1", "-n", "-s", peer.address]);
    assert.equal(ran.code, 78);
    assert.match(ran.err, /GOAWAY PROTOCOL_ERROR "PROXY protocol expected"/);
    assert.match(ran.err, /not delivered/);
    assert.doesNotMatch(ran.err, /shutting down/);
  });
  await t.step("on the call port, what is no HTTP/2", async () => {
    await using peer = await listen((socket) => {
      socket.write("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n");
    });
    const ran = await runClient(["fluentd", "stop", "edge-1", "-n", "-s", peer.address]);
    assert.equal(ran.code, 78);
    assert.match(ran.err, /speaks HTTP\/1, not HTTP\/2: it sent "HTTP\/1\.1 400 Bad Request"/);
    assert.match(ran.err, /not delivered/);
  });
});

Deno.test("E2: a proxy that refuses or is away is named, and this machine is reached without", async (t) => {
  await using hub = await startFakeHub();
  const status = ["fluentd", "status", "-n"];
  await t.step("localhost never goes through the proxy", async () => {
    const env = { http_proxy: "http://127.0.0.1:1", HTTPS_PROXY: "http://127.0.0.1:1" };
    const { code, err } = await runClient([...status, "-s", hub.address], { env });
    assert.deepEqual([code, err], [0, ""]);
  });
  await t.step("a proxy that refuses", async () => {
    await using proxy = await listen((socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 403 Forbidden\r\nServer: squid\r\n\r\n"));
    });
    const args = [...status, "-s", "hub.example:9090", "--proxy", `http://${proxy.address}`];
    const { code, err } = await runClient(args);
    assert.equal(code, 78);
    assert.match(err, /The proxy answered 403 \(squid\)/);
    assert.match(err, /hop: proxy/);
    assert.match(err, /hint: Proxies usually let CONNECT to port 443 only/);
    assert.doesNotMatch(err, /undefined/);
  });
  await t.step("NO_PROXY with CIDR, and --proxy direct", async () => {
    // What is decided, without dialling: these addresses are not of this machine.
    const env = { HTTP_PROXY: "http://127.0.0.1:1", NO_PROXY: "10.0.0.0/8" };
    const way = async (host: string, proxy?: string) => {
      const values = { serverAddr: [[{ host, port: 9090 }]], tls: false, proxy };
      return (await planHubs(values as unknown as ConnectionValues, env)).proxy?.host;
    };
    assert.equal(await way("10.255.255.1"), undefined);
    assert.equal(await way("11.255.255.1"), "127.0.0.1:1");
    assert.equal(await way("hub.example", "direct"), undefined);
    assert.equal(await way("127.0.0.1"), undefined);
  });
  await t.step("through a proxy that lets us through", async () => {
    await using proxy = await listen((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        Deno.connect({ hostname: "127.0.0.1", port: hub.port }).then((upstream) => {
          socket.on("data", (bytes: Buffer) => void upstream.write(bytes));
          const pump = async () => {
            for await (const bytes of upstream.readable) socket.write(bytes);
          };
          socket.once("close", () => {
            try {
              upstream.close();
            } catch {
              // It has ended.
            }
          });
          pump().catch(() => {});
        });
      });
    });
    const args = [...status, "-s", "hub.example:9090", "--proxy", `http://${proxy.address}`];
    const { code, err, out } = await runClient(args);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /HEALTHY/);
  });
});

Deno.test("E4: a host name in other letters is called by its name in ASCII", async (t) => {
  await t.step("asciiHost()", () => {
    assert.equal(asciiHost("hüb.example"), "xn--hb-xka.example");
    assert.equal(asciiHost("HÜB.example"), "xn--hb-xka.example");
    assert.equal(asciiHost("hub.example"), "hub.example");
    assert.equal(asciiHost("::1"), "::1");
    assert.throws(() => asciiHost("hüb example"), /is not a host name/);
  });
  await t.step("as the proxy is asked for it", async () => {
    const asked = Promise.withResolvers<string>();
    await using proxy = await listen((socket) => {
      socket.once("data", (bytes: Buffer) => {
        asked.resolve(bytes.toString("latin1").split("\r\n")[0]!);
        socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      });
    });
    const args = ["fluentd", "status", "-n", "-s", "hüb.example:9090"];
    await runClient([...args, "--proxy", `http://${proxy.address}`]);
    assert.equal(await asked.promise, "CONNECT xn--hb-xka.example:9090 HTTP/1.1");
  });
});
