/**
 * A question to the hub or to a server: a call of one of our own methods whose answer a command needs to
 * go on.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { decodeMessage } from "../../shared/grpc/service.ts";
import { type Attempt, attemptCall, type CallPlan } from "./attempt.ts";
import { messageTypes } from "./call.ts";
import { ownMethod } from "./own_method.ts";

export interface Question {
  /** `package.Service/Method`; it gives one response. */
  readonly method: string;
  /** Of the request. @default none */
  readonly fields?: object;
  /** @default {attemptCall} */
  readonly attempt?: typeof attemptCall;
}

/** How it ended: with an answer, or with an error. */
export interface Answered<Response> extends Attempt {
  readonly method: protobuf.Method;
  /** As a plain object; not to be used where there is an error. */
  readonly answer: Response;
}

/** @throws What `attemptCall` throws. A failed call is no exception. */
export async function ask<Response extends object>(
  plan: Omit<CallPlan, "method" | "requests">,
  { method: name, fields = {}, attempt = attemptCall }: Question,
): Promise<Answered<Response>> {
  const method = ownMethod(name);
  const { request, response } = messageTypes(method);
  let answer = {} as Response;
  const ended = await attempt(
    { ...plan, method, requests: [request.fromObject(fields)] },
    (message) => {
      answer = decodeMessage<Response>(response, response.encode(message).finish());
      return Promise.resolve();
    },
  );
  return { ...ended, method, answer };
}
