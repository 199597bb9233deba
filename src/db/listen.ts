import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import createSubscriberModule from "pg-listen";
import { messageOf } from "../errors.ts";

// the package is CommonJS with a `default` of its own; its types and what Node imports agree only on this
const createSubscriber = createSubscriberModule.default;

const retryMs = 1_000;
const connectTimeoutMs = 10_000;

export type Listener = { close(): Promise<void> };

type Subscription = { close(): Promise<void> };

/**
 * Calls `onPayload` with every NOTIFY on the channel, for as long as it takes: after an outage it connects
 * again, and what was notified meanwhile is lost. `onConnected` is called whenever it begins to hear. Rejects
 * when the first connection fails.
 */
export async function listen(
  databaseUrl: string,
  channel: string,
  handlers: {
    onPayload(payload: string): void;
    onConnected?(): void;
    onTrouble?(message: string): void;
  },
): Promise<Listener> {
  const closed = new AbortController();
  let connected: Subscription | undefined;
  let connecting: Promise<void> | undefined;
  connected = await subscribe();

  async function subscribe(): Promise<Subscription> {
    const sockets: Socket[] = [];
    // its own way of trying again cannot be stopped while the database is away, so it gives up at once, and
    // we try again
    const subscriber = createSubscriber(
      {
        connectionString: databaseUrl,
        application_name: "ccx listen",
        connectionTimeoutMillis: connectTimeoutMs,
        stream: () => {
          const socket = new Socket();
          sockets.push(socket);
          return socket;
        },
      },
      { retryLimit: 1, retryTimeout: 1, parse: (payload: string) => payload },
    );
    const close = async () => {
      const ended = subscriber.close().catch(() => {});
      // without waiting for an answer, which a database that is away does not give
      for (const socket of sockets) socket.destroySoon();
      await ended;
    };
    const destroy = () => {
      for (const socket of sockets) socket.destroy();
    };
    const subscription = { close };
    subscriber.notifications.on(channel, handlers.onPayload);
    subscriber.events.on("error", (error) => {
      handlers.onTrouble?.(messageOf(error));
      if (subscription !== connected) return;
      connected = undefined;
      connecting = close().then(connectAgain);
    });
    closed.signal.addEventListener("abort", destroy);
    try {
      await subscriber.connect();
      await subscriber.listenTo(channel);
    } catch (error) {
      await close();
      throw error;
    } finally {
      closed.signal.removeEventListener("abort", destroy);
    }
    handlers.onConnected?.();
    return subscription;
  }

  async function connectAgain(): Promise<void> {
    while (!closed.signal.aborted) {
      try {
        await sleep(retryMs, undefined, { signal: closed.signal });
        connected = await subscribe();
      } catch (error) {
        if (!closed.signal.aborted) handlers.onTrouble?.(messageOf(error));
        continue;
      }
      return;
    }
  }

  return {
    async close() {
      closed.abort();
      await connecting;
      await connected?.close();
    },
  };
}
