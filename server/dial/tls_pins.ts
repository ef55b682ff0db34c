/**
 * `--pin-sha256`: the hub's certificate must have one of these keys, whoever signed it.
 *
 * Only the certificate that the hub shows of itself counts: it has proved that it holds that key. Of
 * the others in its chain anybody can send a copy. An authority is pinned by `--tls-ca-cert-file`.
 *
 * @module
 */
import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { UsageError } from "../../shared/cli/usage_error.ts";
import { parsePin, pinOf } from "../../shared/tls/pin.ts";
import { DialError } from "./dial_error.ts";

/** The value of the flag. @throws {UsageError} If it is no pin. */
export function parsePinFlag(text: string): string {
  try {
    return parsePin(text);
  } catch (error) {
    throw new UsageError((error as Error).message, {
      hint: "ghub cert read hub.crt shows the pin of a certificate, and so does the hub's log",
      cause: error,
    });
  }
}

/**
 * Sends a request when its TLS connection stands and shows one of the pins. Before that nothing is
 * sent: a token would be in the wrong hands.
 *
 * @param onWrong Called in place of it.
 */
export function endWhenPinned(
  request: ClientRequest,
  { pins, onWrong }: {
    readonly pins: readonly string[];
    readonly onWrong: (error: DialError) => void;
  },
): void {
  request.once("socket", (socket: Socket) => {
    if (!(socket instanceof TLSSocket)) {
      onWrong(new DialError("A key is pinned, but the connection has no TLS"));
      return void request.destroy();
    }
    socket.once("secureConnect", () => {
      const found = shownPin(socket);
      if (found !== undefined && pins.includes(found)) return void request.end();
      onWrong(wrongPin(pins, found));
      request.destroy();
    });
  });
}

/** `undefined` if its key cannot be read. */
function shownPin(socket: TLSSocket): string | undefined {
  try {
    return pinOf(socket.getPeerCertificate().raw);
  } catch {
    return undefined;
  }
}

function wrongPin(pins: readonly string[], found: string | undefined): DialError {
  const expected = `${pins.length === 1 ? "" : "one of "}${pins.join(", ")}`;
  return new DialError(
    `The hub's certificate has another key than is pinned: expected ${expected}, found ` +
      (found ?? "none that can be read"),
    {
      hint: "If the hub's key was changed in good order, add its new pin with --pin-sha256; " +
        "if not, somebody poses as the hub",
    },
  );
}
