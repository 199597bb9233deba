import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

/** How the receiver behaves to posts and searches of entries; its token server is well. */
export type Mood =
  | "well"
  | "slow"
  | "500"
  | "429"
  | "401"
  | "hangs"
  | "drops"
  | "stores and hangs"
  | "stores and drops"
  | "nonsense";

/** Stands before the Service Log's receiver and passes on, spoils or invents answers, by its mood. */
export async function startReceiverFront(receiverUrl: string) {
  const receiver = new URL(receiverUrl);
  let mood: Mood = "well";
  let nth = 0;

  /** The receiver's own answer. */
  const passOn = (incoming: IncomingMessage, body: Buffer) =>
    new Promise<{ status: number; body: Buffer; type: string }>((resolve, reject) => {
      const { host: _, connection: __, ...headers } = incoming.headers;
      const options = {
        host: receiver.hostname,
        port: receiver.port,
        path: incoming.url,
        method: incoming.method,
      };
      const onward = request({ ...options, headers, agent: false }, (answer) => {
        buffer(answer).then(
          (body) =>
            resolve({ status: answer.statusCode ?? 500, body, type: answer.headers["content-type"] ?? "" }),
          reject,
        );
      });
      onward.on("error", reject).end(body);
    });

  const send = (response: ServerResponse, status: number, body: string | Buffer, headers = {}) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(incoming);
    const now = incoming.url?.includes("cluster_logs") ? mood : "well";
    const isPost = incoming.method === "POST";
    const turn = ++nth;
    if (now === "500") return void send(response, 500, '{"reason": "chaos"}');
    if (now === "429") return void send(response, 429, '{"reason": "chaos"}', { "retry-after": "2" });
    if (now === "401") return void send(response, 401, '{"reason": "chaos"}');
    if (now === "hangs") return;
    if (now === "drops") return void incoming.socket.destroy();
    if (now === "nonsense" && turn % 2 === 0) return void send(response, 200, "<html>Welcome!</html>");
    if (now === "slow") await sleep(500 + (turn % 5) * 600);
    const usual = await passOn(incoming, body);
    if (now === "stores and hangs" && isPost) return;
    if (now === "stores and drops" && isPost) return void incoming.socket.destroy();
    if (now === "nonsense") return void send(response, usual.status, usual.body.subarray(0, 20));
    send(response, usual.status, usual.body, { "content-type": usual.type });
  }

  const server = createServer((incoming, response) => {
    answer(incoming, response).catch(() => incoming.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    /** Changes how it behaves; what hangs, hangs on. */
    setMood: (next: Mood) => {
      mood = next;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
