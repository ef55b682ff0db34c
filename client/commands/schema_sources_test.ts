import assert from "node:assert/strict";
import { unary } from "../../shared/grpc/handlers.ts";
import { Status } from "../../shared/grpc/status.ts";
import { peerHost } from "../../shared/grpc_js/implementation.ts";
import { runClient, startFakeHub } from "../testing/fake_hub.ts";
import { startDescribed, startServer } from "../testing/fake_server.ts";

const SHOP = `${import.meta.dirname}/../testing/shop`;
const FILES = ["--proto", `${SHOP}/shop.proto`, "-I", `${SHOP}/lib`];

Deno.test("--proto lists, describes and shows samples without a server", async (t) => {
  const run = async (...args: string[]) => {
    // Nobody listens there.
    const ran = await runClient([...args, ...FILES, "-s", "127.0.0.1:1"]);
    assert.equal(ran.err, "");
    assert.equal(ran.code, 0);
    return ran.out;
  };
  await t.step("list", async () => assert.equal(await run("list"), "shop.v1.Shop\n"));
  await t.step("list a service's methods", async () => {
    assert.equal(await run("list", "shop.v1.Shop"), "shop.v1.Shop/Buy\nshop.v1.Shop/Browse\n");
  });
  await t.step("describe a service, with comments and options", async () => {
    const expected = `// Where things are bought.
service shop.v1.Shop {
  // Buys one.
  rpc Buy(shop.v1.BuyRequest) returns (shop.v1.BuyResponse) {
    option idempotency_level = IDEMPOTENT;
  }
  rpc Browse(shop.v1.BuyRequest) returns (stream shop.v1.BuyResponse) {
    option deprecated = true;
  }
}
`;
    assert.equal(await run("describe", "shop.v1.Shop"), expected);
    assert.equal(await run("describe"), expected);
  });
  const table: [symbol: string, expected: string][] = [
    [
      "shop.v1.BuyRequest",
      `message shop.v1.BuyRequest {
  // What.
  string item = 1;
  oneof how {
    shop.v1.BuyRequest.Card card = 2;
    string voucher = 3;
  }
  optional int32 count = 4;
  repeated string notes = 5 [deprecated = true];
  google.protobuf.Timestamp when = 6;
  reserved 7 to 9;
  reserved "old";

  message Card {
    string number = 1;
  }
}
`,
    ],
    [
      "common.Money",
      `message common.Money {
  required int64 units = 1;
  optional string currency = 2 [default = "EUR"];
  optional group Rounding = 3 {
    optional bool up = 1;
  }
  // Of whoever.
  optional string [common.issuer] = 100;
  extensions 100 to max;
}
`,
    ],
    ["shop.v1.BuyRequest.item", "// What.\nstring item = 1;\n"],
    [
      "shop.v1.Shop/Buy",
      `// Buys one.
rpc Buy(shop.v1.BuyRequest) returns (shop.v1.BuyResponse) {
  option idempotency_level = IDEMPOTENT;
}
`,
    ],
    [
      "common.issuer",
      `// Of whoever.
extend common.Money {
  optional string common.issuer = 100;
}
`,
    ],
  ];
  for (const [symbol, expected] of table) {
    await t.step(`describe ${symbol}`, async () => {
      assert.equal(await run("describe", symbol), expected);
    });
  }
  for (const end of ["Shop", "Shop/Browse", "Browse"]) {
    await t.step(`describe ${end}`, async () => {
      assert.match(await run("describe", end), /^ *rpc Browse\(/m);
    });
  }
  for (const method of ["shop.v1.Shop/Buy", "shop.v1.Shop.Buy", "Shop/Buy", "Shop.Buy", "Buy"]) {
    await t.step(`-p of ${method}`, async () => {
      const sample = JSON.parse(await run("call", method, "-p"));
      assert.ok("item" in sample && "when" in sample);
    });
  }
});

Deno.test("--proto that cannot be used says which file, and why", async (t) => {
  const directory = SHOP;
  const table: [args: string[], err: RegExp][] = [
    [
      ["--proto", `${directory}/none.proto`],
      /Cannot use --proto .*none\.proto: there is no such/,
    ],
    [["--proto", `${directory}/shop.proto`], /imports "common\/money\.proto".*\nhint: .* -I DIR/],
    [["--protoset", `${directory}/shop.proto`], /shop\.proto: it is no set of descriptors/],
    [["--proto", directory], /it is a directory/],
  ];
  for (const [args, words] of table) {
    await t.step(args.join(" ").replaceAll(directory, ""), async () => {
      const { code, err } = await runClient(["list", ...args]);
      assert.match(err, words);
      assert.equal(code, 2);
    });
  }
});

Deno.test("a server without reflection is called by --proto, and by what is in the box", async (t) => {
  await using server = await startServer((server) => {
    peerHost(server).addService("grpc.health.v1.Health", {
      Check: unary(() => ({ status: "SERVING" })),
      Watch: unary(() => ({})) as never,
    });
  });
  const run = (...args: string[]) => runClient([...args, "-s", server.address]);
  await t.step("health", async () => {
    for (const method of ["grpc.health.v1.Health/Check", "grpc.health.v1.Health.Check"]) {
      const { code, out, err } = await run("call", method, "go-1", "-n");
      assert.deepEqual([code, err], [0, ""]);
      assert.deepEqual(JSON.parse(out), { status: "SERVING" });
    }
    const { out } = await run("describe", "grpc.health.v1.Health/Check", "go-1");
    assert.match(out, /^rpc Check\(grpc\.health\.v1\.HealthCheckRequest\)/);
  });
  await t.step("a service of a file", async () => {
    const { code } = await run("call", "shop.v1.Shop/Buy", "go-1", "-n", ...FILES);
    assert.equal(code, 64 + Status.UNIMPLEMENTED, "the server was called");
    assert.equal((await run("list", "go-1", ...FILES)).out, "shop.v1.Shop\n");
  });
  await t.step("another one", async () => {
    const { code, err } = await run("call", "acme.v1.Shop/Buy", "go-1", "-n");
    assert.equal(code, 64 + Status.UNIMPLEMENTED);
    assert.match(err, /--proto/);
  });
});

Deno.test("--protoset-out keeps what reflection told, for --protoset", async (t) => {
  await using hub = await startFakeHub();
  const directory = await Deno.makeTempDir();
  try {
    const file = `${directory}/all.protoset`;
    const run = (...args: string[]) => runClient([...args, "-s", hub.address]);
    const { code, err } = await run("list", "edge-1", "--protoset-out", file);
    assert.deepEqual([code, err], [0, ""]);
    await t.step("is as good as the server", async () => {
      for (const symbol of ["fluentd.v1.Fluentd", "echo.v1.EchoRequest", "ghub.v1.Hub"]) {
        const told = await run("describe", symbol, "edge-1");
        const kept = await runClient(["describe", symbol, "--protoset", file]);
        assert.equal(kept.out, told.out);
        assert.notEqual(kept.out, "");
      }
    });
    await t.step("calls without a question", async () => {
      const args = ["call", "echo.v1.Echo/Unary", "-d", '{"data":"YQ=="}', "-v"];
      const { out, err } = await run(...args, "--protoset", file, "-o", "json");
      assert.equal(out, '{"data":"YQ=="}\n');
      assert.doesNotMatch(err, /reflection/);
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("the end of a method's name is enough, if only one has it", async (t) => {
  const message = (name: string) => ({ name });
  const service = (name: string, ...methods: string[]) => ({
    name,
    method: methods.map((name) => ({ name, inputType: ".a.M", outputType: ".a.M" })),
  });
  const files = [{
    name: "a.proto",
    package: "a",
    syntax: "proto3",
    messageType: [message("M")],
    service: [service("One", "Get", "Put"), service("Two", "Get")],
  }];
  await using server = await startDescribed(files, () => {});
  const call = (method: string) => runClient(["call", method, "x", "-n", "-s", server.address]);
  const table: [method: string, path: string][] = [
    ["a.One/Get", "a.One/Get"],
    ["a.One.Get", "a.One/Get"],
    ["One/Get", "a.One/Get"],
    ["Two.Get", "a.Two/Get"],
    ["Put", "a.One/Put"],
  ];
  for (const [method, path] of table) {
    await t.step(method, async () => {
      const { err } = await runClient(["call", method, "x", "-n", "-v", "-s", server.address]);
      assert.match(err, new RegExp(`^> /${path} `, "m"));
    });
  }
  await t.step("Get, which two have", async () => {
    const { code, err } = await call("Get");
    assert.equal(code, 2);
    assert.match(
      err,
      /Several methods are called "Get"\nhint: Write one of a\.One\/Get, a\.Two\/Get/,
    );
  });
  await t.step("Putt, which none has", async () => {
    assert.match(
      (await call("Putt")).err,
      /No service has a method "Putt"\nhint: Did you mean Put\?/,
    );
  });
});

Deno.test("all questions and the call go over one connection", async (t) => {
  await using hub = await startFakeHub();
  const connections = async (...args: string[]) => {
    const before = hub.connections();
    const { err } = await runClient([...args, "-s", hub.address]);
    assert.equal(err, "");
    return hub.connections() - before;
  };
  await t.step("call", async () => {
    assert.equal(await connections("call", "fluentd.v1.Fluentd/GetStatus", "edge-1", "-n"), 1);
  });
  await t.step("describe everything", async () => {
    assert.equal(await connections("describe", "*", "edge-1"), 1);
  });
});

Deno.test("-p --schema prints JSON Schema", async (t) => {
  const ran = await runClient(["call", "shop.v1.Shop/Buy", "-p", "--schema", ...FILES]);
  assert.deepEqual([ran.code, ran.err], [0, ""]);
  const schema = JSON.parse(ran.out);
  await t.step("of all types that the request needs", () => {
    assert.deepEqual(schema, {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $ref: "#/$defs/shop.v1.BuyRequest",
      $defs: {
        "shop.v1.BuyRequest": {
          type: "object",
          properties: {
            item: { description: "What.", type: "string" },
            card: { $ref: "#/$defs/shop.v1.BuyRequest.Card" },
            voucher: { type: "string" },
            count: { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 },
            notes: { deprecated: true, type: "array", items: { type: "string" } },
            when: { type: "string", format: "date-time" },
          },
          allOf: [{ not: { required: ["card", "voucher"] } }],
          additionalProperties: false,
        },
        "shop.v1.BuyRequest.Card": {
          type: "object",
          properties: { number: { type: "string" } },
          additionalProperties: false,
        },
      },
    });
  });
  await t.step("without -p is an error", async () => {
    const { code, err } = await runClient(["fluentd", "start", "-n", "--schema"]);
    assert.equal(code, 2);
    assert.match(err, /--schema needs -p/);
  });
});
