import assert from "node:assert/strict";
import { join } from "node:path";
import { bytesInBufferFiles, MAX_CHUNKS } from "./buffer_files.ts";
import type { ConfigFacts, ConfiguredOutput } from "../config/reader.ts";
import { tempDir } from "../testing/kit.ts";

function config(...outputs: Partial<ConfiguredOutput>[]): ConfigFacts {
  return {
    path: "/fluent.conf",
    changedMs: 0,
    sources: 1,
    listening: [],
    outputs: outputs.map((output) => ({ type: "http", buffer: "file", ...output })),
    emptyIncludes: [],
    printsRecords: false,
  };
}

Deno.test("bytesInBufferFiles() counts chunks, each once, and nothing else", async () => {
  await using dir = await tempDir();
  const path = (name: string) => join(dir.path, name);
  await Deno.mkdir(path("worker1/buffer.folder.log"), { recursive: true });
  for (
    const [name, size] of [
      ["buffer.b1.log", 10],
      ["buffer.b1.log.meta", 1000],
      ["buffer.q2.log", 200],
      ["worker1/buffer.b3.log", 3],
      ["other.log", 5000],
    ] as const
  ) await Deno.writeFile(path(name), new Uint8Array(size));
  const files = [path("buffer.*.log"), path("worker*/buffer.*.log")];
  const table: [name: string, config: ConfigFacts | undefined, bytes: number | undefined][] = [
    ["folders of one buffer", config({ files }), 213],
    ["two buffers in one folder", config({ files }, { files: [path("buffer.*.log")] }), 213],
    ["a folder that is not there yet", config({ files: [path("none/buffer.*.log")] }), 0],
    ["memory is in no file", config({ buffer: "memory" }), 0],
    ["no output", config(), 0],
    ["a place that is not told", config({ files }, {}), undefined],
    ["no config", undefined, undefined],
  ];
  for (const [name, given, bytes] of table) {
    assert.equal(await bytesInBufferFiles(given), bytes, name);
  }
});

Deno.test("bytesInBufferFiles() does not count more than MAX_CHUNKS", async () => {
  await using dir = await tempDir();
  // Names of one file, which are faster to make than files.
  const first = join(dir.path, "chunk");
  await Deno.writeTextFile(first, "");
  for (let i = 0; i <= MAX_CHUNKS; i++) Deno.linkSync(first, join(dir.path, `buffer.${i}.log`));
  const all = config({ files: [join(dir.path, "buffer.*.log")] });
  assert.equal(await bytesInBufferFiles(all), undefined);
  const some = config({ files: [join(dir.path, "buffer.1*.log")] });
  assert.equal(await bytesInBufferFiles(some), 0);
});

Deno.test({
  name: "bytesInBufferFiles() says nothing of a folder that it may not read",
  // Root may read everything.
  ignore: Deno.uid() === 0,
  async fn() {
    await using dir = await tempDir();
    await Deno.mkdir(join(dir.path, "closed"), { mode: 0o000 });
    const files = [join(dir.path, "closed/buffer.*.log")];
    assert.equal(await bytesInBufferFiles(config({ files })), undefined);
    await Deno.chmod(join(dir.path, "closed"), 0o700);
  },
});
