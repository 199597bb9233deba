import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Stands before a server and can take it away. */
export type TcpProxy = Awaited<ReturnType<typeof startTcpProxy>>;

/**
 * Starts a proxy before `host:port`; with `refusing`, nobody gets through before `heal`; all takes `delayMs`
 * longer.
 */
export async function startTcpProxy(
  target: { host: string; port: number },
  { refusing = false, delayMs = 0 } = {},
) {
  const sockets = new Set<Socket>();
  let silent = false;
  const server = createServer((client) => {
    if (silent) {
      sockets.add(client);
      client.on("error", () => client.destroy()).pause();
      return;
    }
    const upstream = connect(target.port, target.host);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      if (delayMs === 0) from.pipe(to);
      else from.on("data", (chunk) => setTimeout(() => to.write(chunk), delayMs));
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  const listen = async (port: number) => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  /** Breaks all connections and refuses new ones. */
  const refuse = async () => {
    const closed = server.listening ? once(server, "close") : undefined;
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  if (refusing) await refuse();
  return {
    port,
    /** Where it leads; may be changed for connections to come. */
    target,
    refuse,
    /** Breaks the connections there are; new ones get through. */
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    /** The same, and new ones are accepted and never answered: a server that hangs. */
    hang: () => {
      silent = true;
      for (const socket of sockets) socket.unpipe().removeAllListeners("data").pause();
    },
    /** Nothing comes through the connections there are, and neither side notices. */
    freeze: () => {
      for (const socket of sockets) socket.unpipe().removeAllListeners("data").pause();
    },
    heal: () => listen(port),
    [Symbol.asyncDispose]: refuse,
  };
}
