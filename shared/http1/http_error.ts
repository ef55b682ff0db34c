/**
 * A refusal in the words of HTTP, before a WebSocket is open.
 *
 * @module
 */

/** Options of {@linkcode HttpError}. */
export interface HttpErrorOptions extends ErrorOptions {
  /** Header fields of the answer, such as `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What {@linkcode errorResponse} answers with. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;
  /** A word that a program can tell apart, such as `BAD_NAME`. */
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, options: HttpErrorOptions = {}) {
    super(message, options);
    this.status = status;
    this.code = code;
    this.headers = options.headers ?? {};
  }
}
