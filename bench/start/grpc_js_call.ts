/**
 * What people write who have no gclient: one unary call with an empty message, by grpc-js, of the hub's
 * health service if no other method is named. The suites `start` and `many` bundle it, and run it on Node
 * and on Deno.
 *
 * @module
 */
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import process from "node:process";

const client = new Client(process.argv[2]!, credentials.createInsecure());
const bytes = (value: Buffer) => value;
client.makeUnaryRequest(
  process.argv[3] ?? "/grpc.health.v1.Health/Check",
  bytes,
  bytes,
  Buffer.of(),
  new Metadata(),
  { deadline: Date.now() + 60_000 },
  (error, answer) => {
    if (error) throw error;
    process.stdout.write(`${answer!.toString("hex")}\n`);
    client.close();
  },
);
