import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { createAgent, open } from "../../src/http/client.ts";

test("a body that its server has sent and closed behind waits for its reader", async () => {
  for (const size of [1_000, 66_000, 93_000, 130_000, 1_000_000]) {
    const server = createServer((socket) => {
      socket.once("data", () => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\nconnection: close\r\n\r\n`);
        socket.end(Buffer.alloc(size, "x"));
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const agent = createAgent({ connectTimeoutMs: 5_000 }, {});
    try {
      const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/archive`);
      const connected = once(server, "connection");
      const answer = await open(
        agent,
        url,
        { timeoutMs: 20_000, maxResponseBytes: 2_000_000 },
        new AbortController().signal,
      );
      const [socket] = (await connected) as [Socket];
      // everything has come, and the other end is closed: only then it is read
      if (!socket.closed) await once(socket, "close");
      for (let nth = 0; nth < 5; nth++) await turn();
      assert.equal((await buffer(answer.body)).length, size);
    } finally {
      await agent.close();
      server.close();
    }
  }
});
