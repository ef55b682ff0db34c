/**
 * What a person sees who sits at a terminal: nothing wider than it, prompts, how each phase of a call
 * ends at Ctrl-C, and what is shown when the reader of a pipe or the hub goes away.
 *
 * @module
 */
import assert from "node:assert/strict";
import { textWidth } from "../shared/text/width.ts";
import { startFakeHub } from "./testing/fake_hub.ts";
import { CTRL_C, CTRL_D, HAS_TERMINAL, Terminal } from "./testing/terminal.ts";

if (!HAS_TERMINAL) console.warn("SKIPPED: there is no `script`, which makes terminals");

const terminalTest = (name: string, fn: (t: Deno.TestContext) => Promise<void>) =>
  Deno.test({ name, ignore: !HAS_TERMINAL, fn });

/** The widest line that a terminal had to show. */
function widest(shown: string): number {
  // What clears the line takes no cell.
  const lines = shown.replaceAll("\x1b[K", "").split(/[\r\n]+/);
  return Math.max(...lines.map(textWidth));
}

terminalTest("nothing on a terminal is wider than it", async (t) => {
  await using hub = await startFakeHub();
  hub.script.servers = {
    servers: [{
      name: "edge-1",
      state: "ONLINE",
      labels: { env: "prod", site: "amsterdam", role: "edge" },
      connectedAt: { seconds: 1_700_000_000 },
      lastCloseReason: "Displaced by a newer registration of edge-1 from 192.0.2.1:4711",
    }],
  };
  for (const columns of [80, 40]) {
    await t.step(`a table in ${columns} columns`, async () => {
      await using terminal = new Terminal(["hub", "servers", "-s", hub.address], { columns });
      assert.equal(await terminal.ended(), 0);
      assert.match(terminal.shown, /edge-1 {2}ONLINE/);
      assert.ok(widest(terminal.shown) <= columns, terminal.shown);
    });
    await t.step(`the line that counts seconds, in ${columns} columns`, async () => {
      const shown = Promise.withResolvers<void>();
      hub.script.before = () => shown.promise;
      const args = ["fluentd", "status", "edge-with-a-rather-long-name-1", "-s", hub.address];
      await using terminal = new Terminal([...args, "--timeout", "90s"], { columns });
      // Twice: the second one is written over the first.
      await terminal.shows(/(?:: \d+ s of at most 90 s …[^]*){2}/);
      shown.resolve();
      hub.script.before = () => Promise.resolve();
      assert.equal(await terminal.ended(), 0);
      // The last column stays free, or the terminal would begin another line.
      const before = terminal.shown.slice(0, terminal.shown.lastIndexOf("\r\x1b[K"));
      assert.ok(widest(before) < columns, before);
      assert.doesNotMatch(before, /\n/);
    });
  }
});

terminalTest("a terminal that knows no escape sequences gets none", async () => {
  await using hub = await startFakeHub();
  const args = ["fluentd", "status", "a", "b", "-n", "-s", hub.address];
  await using terminal = new Terminal(args, { columns: 80, env: { TERM: "dumb", NO_COLOR: "" } });
  assert.equal(await terminal.ended(), 0);
  for (const name of ["a", "b"]) {
    assert.ok(terminal.shown.includes(`[${name}] ok (`), terminal.shown);
  }
  assert.ok(!terminal.shown.includes("\x1b"), JSON.stringify(terminal.shown));
});

terminalTest("the requests of a stream are typed, one a line", async () => {
  await using hub = await startFakeHub();
  const args = ["call", "echo.v1.Echo/Bidi", "-s", hub.address, "-o", "json"];
  await using terminal = new Terminal(args, { columns: 80 });
  await terminal.shows(/Type one request a line/);
  await terminal.type('{"data":"YQ=="}\n');
  await terminal.shows(/\{"data":"YQ=="\}/);
  await terminal.type('{"data":\n');
  await terminal.shows(/error: This line was not sent: input:2:/);
  await terminal.type("data: Yg==\n");
  await terminal.shows(/\{"data":"Yg=="\}/);
  await terminal.type(CTRL_D);
  assert.equal(await terminal.ended(), 0);
});

terminalTest("what stops log collection is asked first, and done only after a yes", async (t) => {
  await using hub = await startFakeHub();
  const args = ["fluentd", "stop", "edge-1", "-s", hub.address, "--timeout", "90s"];
  const several = ["fluentd", "restart", "edge-1", "edge-2", ...args.slice(3)];
  const table: [name: string, args: string[], keys: string, code: number, calls: number][] = [
    ["no", args, "n\n", 6, 0],
    ["nothing but Enter", args, "\n", 6, 0],
    ["the end of input", args, CTRL_D, 6, 0],
    ["Ctrl-C", args, CTRL_C, 130, 0],
    ["yes", args, "y\n", 0, 1],
    ["yes for several", several, "yes\n", 0, 2],
  ];
  for (const columns of [80, 40]) {
    for (const [name, words, keys, code, calls] of columns === 80 ? table : table.slice(-2)) {
      await t.step(`${name}, in ${columns} columns`, async () => {
        hub.calls.length = 0;
        await using terminal = new Terminal(words, { columns });
        await terminal.shows(/fluentd\.(stop|restart) on .*go on\? \[y\/N\] /);
        assert.deepEqual(hub.calls, []);
        await terminal.type(keys);
        assert.equal(await terminal.ended(), code, terminal.shown);
        assert.equal(hub.calls.length, calls);
        // There was no Enter that would have ended the line.
        if (keys < " " && keys !== "\n") assert.match(terminal.shown, /go on\? \[y\/N\] \r\n/);
        if (code === 6) assert.match(terminal.shown, /error: Not confirmed: nothing was done/);
      });
    }
  }
});

terminalTest("Ctrl-C ends each phase of a call at once, and says what is known", async (t) => {
  await using hub = await startFakeHub();
  await t.step("connecting", async () => {
    using silent = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const args = ["fluentd", "stop", "edge-1", "--yes", "-s", `127.0.0.1:${silent.addr.port}`];
    await using terminal = new Terminal([...args, "--connect-timeout", "90s"], { columns: 80 });
    using _connection = await silent.accept();
    await terminal.type(CTRL_C);
    assert.equal(await terminal.ended(), 130);
    assert.match(terminal.shown, /was not delivered: nothing was done/);
  });
  await t.step("waiting for a change", async () => {
    const began = Promise.withResolvers<void>();
    hub.script.before = () => {
      began.resolve();
      return new Promise(() => {});
    };
    const args = ["fluentd", "stop", "edge-1", "--yes", "-s", hub.address];
    await using terminal = new Terminal(args, { columns: 80 });
    await began.promise;
    await terminal.type(CTRL_C);
    assert.equal(await terminal.ended(), 130);
    assert.match(
      terminal.shown,
      /The outcome is unknown.*\r\nhint: .*gclient fluentd status edge-1/,
    );
    hub.script.before = () => Promise.resolve();
  });
  await t.step("waiting for a change that a person wanted", async () => {
    const began = Promise.withResolvers<void>();
    hub.script.before = () => {
      began.resolve();
      return new Promise(() => {});
    };
    await using terminal = new Terminal(["fluentd", "stop", "edge-1", "-s", hub.address], {
      columns: 40,
    });
    await terminal.shows(/go on\?/);
    await terminal.type("y\n");
    await began.promise;
    await terminal.type(CTRL_C);
    assert.equal(await terminal.ended(), 130);
    assert.match(terminal.shown, /The outcome is unknown/);
    hub.script.before = () => Promise.resolve();
  });
  await t.step("waiting for an answer that changes nothing", async () => {
    hub.script.before = () => new Promise(() => {});
    const args = ["fluentd", "status", "edge-1", "-s", hub.address, "--timeout", "90s"];
    await using terminal = new Terminal(args, { columns: 80 });
    await terminal.shows(/: \d+ s of at most 90 s …/);
    await terminal.type(CTRL_C);
    assert.equal(await terminal.ended(), 130);
    assert.doesNotMatch(terminal.shown, /error|unknown/);
    hub.script.before = () => Promise.resolve();
  });
  for (const columns of [80, 40]) {
    await t.step(`reading a pipe that stays open, in ${columns} columns`, async () => {
      const asked = hub.calls.filter(({ method }) => method === "GetStatus").length;
      const args = ["fluentd", "status", "edge-1", "-s", hub.address, "--timeout", "90s"];
      // Its writer takes no notice of the keys, and so does not end the input. The shells outlive them.
      const line =
        `trap : INT; (trap '' INT; exec sleep 600) | { trap : INT; gclient; echo "code $?"; }`;
      await using terminal = new Terminal(args, { columns, line });
      await terminal.shows(/waiting.*: \d+ s of at most 90 s …/);
      assert.ok(widest(terminal.shown) < columns, terminal.shown);
      await terminal.type(CTRL_C);
      await terminal.shows(/code 130\r\n$/);
      assert.equal(hub.calls.filter(({ method }) => method === "GetStatus").length, asked);
    });
  }
  await t.step("streaming", async () => {
    hub.script.activity = async function* (signal) {
      yield { seq: 1, kind: "SERVER_REGISTERED", server: "edge-1" };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    };
    await using terminal = new Terminal(["hub", "activity", "-s", hub.address], { columns: 80 });
    await terminal.shows(/SERVER_REGISTERED/);
    await terminal.type(CTRL_C);
    assert.equal(await terminal.ended(), 130);
  });
  await t.step("typing", async () => {
    const args = ["call", "echo.v1.Echo/Bidi", "-s", hub.address];
    await using terminal = new Terminal(args, { columns: 80 });
    await terminal.shows(/Type one request/);
    await terminal.type(CTRL_C);
    assert.equal(await terminal.ended(), 130);
  });
});

terminalTest("a reader that goes away ends a stream, without a word", async (t) => {
  await using hub = await startFakeHub();
  hub.script.activity = async function* (signal) {
    for (let seq = 1; !signal.aborted; seq++) {
      yield { seq, kind: "SERVER_REGISTERED", server: "edge-1" };
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  };
  for (const columns of [80, 40]) {
    await t.step(`in ${columns} columns`, async () => {
      const line = '{ gclient; echo "code $?" >&2; } | head -n 1';
      const args = ["hub", "activity", "-s", hub.address];
      await using terminal = new Terminal(args, { columns, line });
      assert.equal(await terminal.ended(), 0);
      // What the two have written comes in no order.
      const lines = terminal.shown.trimEnd().split("\r\n").sort();
      assert.deepEqual(lines, [
        "code 141",
        '{"seq":"1","kind":"SERVER_REGISTERED","server":"edge-1"}',
      ]);
    });
  }
});

terminalTest(
  "a hub that dies in the middle of a stream is an error, on a line of its own",
  async (t) => {
    for (const columns of [80, 40]) {
      await t.step(`in ${columns} columns`, async () => {
        const hub = await startFakeHub();
        let died = false;
        try {
          hub.script.activity = async function* (signal) {
            yield { seq: 1, kind: "SERVER_REGISTERED", server: "edge-1" };
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
          };
          await using terminal = new Terminal(["hub", "activity", "-s", hub.address], { columns });
          await terminal.shows(/SERVER_REGISTERED/);
          died = true;
          await hub[Symbol.asyncDispose]();
          assert.equal(await terminal.ended(), 78);
          assert.match(terminal.shown, /\r\nerror: hub\.activity: UNAVAILABLE: /);
        } finally {
          if (!died) await hub[Symbol.asyncDispose]();
        }
      });
    }
  },
);
