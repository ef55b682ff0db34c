/**
 * `npm:ws` with its types: the WebSocket client of gserver, and a foreign peer for tests.
 *
 * Not Deno's own client, because that leaves Nagle's algorithm on (45 ms per call), cannot
 * pause reading, and can neither skip nor pin certificate checks.
 *
 * @module
 */
// @ts-types="npm:@types/ws@8.18.1"
export { createWebSocketStream, WebSocket, WebSocketServer } from "ws";
