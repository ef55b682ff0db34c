/**
 * HPACK as a gRPC relay needs it, compared with hpack.js.
 *
 *     deno bench -A bench/hpack_bench.ts
 *
 * @module
 */
import type { HeaderList } from "../shared/http2/header_list.ts";
import { HpackDecoder } from "../shared/http2/hpack/decoder.ts";
import { encodeHeaderList, encodeInto } from "../shared/http2/hpack/encoder.ts";
import { TheirDecoder, TheirEncoder } from "../shared/http2/hpack/testing/hpack_js.ts";

const REQUEST: HeaderList = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/fluentd.v1.Fluentd/Start"],
  [":authority", "localhost:9090"],
  ["content-type", "application/grpc"],
  ["user-agent", "grpc-go/1.76.0"],
  ["te", "trailers"],
  ["x-hub-server", "edge-1"],
];

/** What remains of a deadline is another value each time. */
const TIMEOUTS = Array.from({ length: 4096 }, (_, i) => `${900_000 + i}u`);

const fields = REQUEST.map(([name, value]) => ({ name, value }));
const client = new TheirEncoder();
/** The first block of a connection: all literals, all added to the table. */
const first = client.encode(fields, { emptyTable: true });
/** Each later one: all indices. */
const repeated = client.encode(fields);
/** The same with a deadline: all indices and one new literal. */
const fresh = TIMEOUTS.map((value) =>
  client.encode([...fields, { name: "grpc-timeout", value, incremental: false }])
);

const decoder = new HpackDecoder({ maxListBytes: 16_384 });
const theirDecoder = new TheirDecoder();
decoder.decode(first);
theirDecoder.decode(first);

let turn = 0;
const nextFresh = () => fresh[turn++ % fresh.length]!;

/** One thing done by us and by hpack.js, the baseline. */
function compare(group: string, ours: () => void, theirs: () => void): void {
  Deno.bench("ours", { group }, ours);
  Deno.bench("hpack.js", { group, baseline: true }, theirs);
}

compare(
  `decode a repeated block (${repeated.length} bytes)`,
  () => void decoder.decode(repeated),
  () => void theirDecoder.decode(repeated),
);

compare(
  `decode a block with a new grpc-timeout (${fresh[0]!.length} bytes)`,
  () => void decoder.decode(nextFresh()),
  () => void theirDecoder.decode(nextFresh()),
);

compare(
  `decode a connection's first block (${first.length} bytes)`,
  () => void decoder.decode(first),
  () => void theirDecoder.decode(first),
);

const lists = TIMEOUTS.map((value): HeaderList => [...REQUEST, ["grpc-timeout", value]]);
const theirEncoder = new TheirEncoder();
const into = new Uint8Array(16_384);
const nextList = () => lists[turn++ % lists.length]!;

compare(
  `encode a list with a new grpc-timeout (${
    encodeHeaderList(lists[0]!).length
  } bytes, theirs less)`,
  () => void encodeInto(nextList(), into, 0),
  () => void theirEncoder.encodeList(nextList()),
);
