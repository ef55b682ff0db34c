import assert from "node:assert/strict";
import { Flag, FrameType } from "../frames.ts";
import { OpenStreams } from "./open_streams.ts";

const { END_STREAM } = Flag;
const headers = (streamId: number, flags = 0) => ({ type: FrameType.HEADERS, flags, streamId });
const data = (streamId: number, flags = 0) => ({ type: FrameType.DATA, flags, streamId });
const reset = (streamId: number) => ({ type: FrameType.RST_STREAM, flags: 0, streamId });

Deno.test("OpenStreams counts a stream until both ends have ended it", () => {
  const streams = new OpenStreams();
  streams.fromClient(headers(1));
  streams.fromClient(data(1, END_STREAM));
  streams.fromServer(headers(1));
  streams.fromServer(data(1));
  assert.equal(streams.count, 1);
  streams.fromServer(headers(1, END_STREAM));
  assert.equal(streams.count, 0);
});

Deno.test("OpenStreams takes a reset from either end for the end", () => {
  const streams = new OpenStreams();
  streams.fromClient(headers(1));
  streams.fromClient(headers(3));
  streams.fromClient(reset(1));
  streams.fromServer(reset(3));
  assert.equal(streams.count, 0);
});

Deno.test("OpenStreams does not open a stream that is over", () => {
  const streams = new OpenStreams();
  streams.fromClient(headers(5));
  streams.fromServer(reset(5));
  streams.fromClient(headers(5, END_STREAM)); // trailers that crossed the reset
  streams.fromClient(data(3));
  assert.equal(streams.count, 0);
});

Deno.test("OpenStreams.idle() resolves when the last one has ended", async () => {
  const streams = new OpenStreams();
  await streams.idle();
  streams.fromClient(headers(1, END_STREAM));
  streams.fromClient(headers(3, END_STREAM));
  const idle = streams.idle();
  streams.fromServer(headers(1, END_STREAM));
  assert.equal(await Promise.race([idle.then(() => "idle"), Promise.resolve("busy")]), "busy");
  streams.fromServer(headers(3, END_STREAM));
  await idle;
});
