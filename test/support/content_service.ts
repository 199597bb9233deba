import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { answerInGob } from "./content_answer.ts";

/** How to answer a request. `body` as bytes is gob, as an object JSON. */
export type Behaviour =
  | { body: Uint8Array | object; type?: string; status?: number; headers?: Record<string, string> }
  | ("hang" | "drop" | "slow" | "half-body" | "end-early" | "oversized" | "gzip");

export type ContentService = Awaited<ReturnType<typeof startContentService>>;

const path = "/api/v1/content";

/**
 * A stand-in for the content service on 127.0.0.1, over real HTTP: it answers with content, in gob unless
 * asked otherwise, and writes down everything that a correct client would not send.
 */
export async function startContentService() {
  const unexpected: string[] = [];
  const queued: Behaviour[] = [];
  let usual: Behaviour = { body: answerInGob };
  let requests = 0;

  const server = createServer((request, response) => {
    requests++;
    unexpected.push(...objections(request).map((what) => `${request.method} ${request.url}: ${what}`));
    const how = queued.shift() ?? usual;
    if (typeof how === "object") send(response, how);
    else misbehave(how, response).catch((error: unknown) => unexpected.push(String(error)));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async () => {
    if (!server.listening) return;
    const closed = server[Symbol.asyncDispose]();
    server.closeAllConnections();
    await closed;
  };
  return {
    origin,
    /** As an error names it; the query is for nobody's eyes. */
    name: `content service ${origin}${path}`,
    url: `${origin}${path}?key=hunter2`,
    /** One sentence per thing that a correct client would not have sent. */
    unexpected: unexpected as readonly string[],
    requests: () => requests,
    /** The answers to the coming requests. */
    behave: (...next: Behaviour[]) => void queued.push(...next),
    /** The answer to all others. */
    serve(body: Uint8Array | object): void {
      usual = { body };
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function objections({ method, url, headers }: IncomingMessage): string[] {
  const wrong: string[] = [];
  if (method !== "GET") wrong.push("another method than GET");
  if (url !== `${path}?key=hunter2`) wrong.push("unknown path");
  if (headers.authorization !== undefined || headers.cookie !== undefined) wrong.push("a secret");
  if (headers["accept-encoding"] !== "identity") wrong.push("compression is asked for");
  if (!headers.accept?.startsWith("application/octet-stream")) wrong.push("gob is not what it likes best");
  if (headers["content-length"] !== undefined) wrong.push("a body");
  return wrong;
}

function send(response: ServerResponse, how: Extract<Behaviour, object>): void {
  const isGob = how.body instanceof Uint8Array;
  const type = how.type ?? (isGob ? "application/octet-stream" : "application/json; charset=utf-8");
  response.writeHead(how.status ?? 200, { "content-type": type, ...how.headers });
  response.end(isGob ? how.body : JSON.stringify(how.body));
}

async function misbehave(how: Extract<Behaviour, string>, response: ServerResponse): Promise<void> {
  const half = answerInGob.subarray(0, answerInGob.length / 2);
  const gone = () => void response.socket?.destroy();
  switch (how) {
    case "hang":
      return;
    case "drop":
      return gone();
    case "half-body":
      response.writeHead(200, { "content-length": answerInGob.length }).write(half, gone);
      return;
    case "end-early": // without a length, HTTP cannot tell that something is missing
      response.writeHead(200, { connection: "close", "transfer-encoding": "identity" }).end(half);
      return;
    case "gzip":
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(answerInGob));
      return;
    case "slow":
      for (const byte of answerInGob) {
        if (response.destroyed) return;
        response.write(Buffer.of(byte));
        await sleep(20);
      }
      return;
    case "oversized": {
      const megabyte = Buffer.alloc(1024 * 1024);
      for (let sent = 0; sent < 60 && !response.destroyed; sent++) response.write(megabyte);
      response.end();
      return;
    }
    default:
      how satisfies never;
  }
}
