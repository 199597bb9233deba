import assert from "node:assert/strict";
import { Agent, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { type Answer, startServer } from "../../src/http/server.ts";
import { createLogger } from "../../src/log.ts";

const answer: Answer = { status: 200, type: "text/plain", body: "here" };

/** A server whose only path answers when it is told to, and a client that keeps its connection. */
async function slowServer() {
  const { promise: mayAnswer, resolve: letAnswer } = Promise.withResolvers<void>();
  const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>();
  const routes = {
    "/slow": async () => {
      isAsked();
      await mayAnswer;
      return answer;
    },
  };
  const server = await startServer({ host: "127.0.0.1", port: 0, routes }, createLogger("silent"));
  const agent = new Agent({ keepAlive: true });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request({ port: server.port, host: "127.0.0.1", path: "/slow", agent }, resolve)
      .on("error", reject)
      .end();
  });
  response.catch(() => undefined); // who waits for it hears of it
  await asked;
  return { server, response, letAnswer, agent };
}

test("a server that closes takes no connection, answers what is under way, and then waits for nothing", async () => {
  const { server, response, letAnswer, agent } = await slowServer();
  const beganAt = performance.now();
  const closed = server.close(15_000);
  const url = `http://127.0.0.1:${server.port}/slow`;
  await assert.rejects(fetch(url), (error: Error) => /ECONNREFUSED/.test(String(error.cause)));
  letAnswer();
  assert.equal(await text(await response), "here");
  await closed;
  assert.ok(performance.now() - beganAt < 10_000, "the connection would be kept for another request");
  agent.destroy();
});

test("a server that closes cuts off what takes longer than it may", async () => {
  const { server, response, agent } = await slowServer();
  await server.close(50);
  await assert.rejects(response, /socket hang up|ECONNRESET/);
  agent.destroy();
});
