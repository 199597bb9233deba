import createSubscriberModule from "pg-listen";
import { messageOf } from "../errors.ts";

// the package is CommonJS with a `default` of its own; its types and what Node imports agree only on this
const createSubscriber = createSubscriberModule.default;

export type Listener = { close(): Promise<void> };

/**
 * Calls `onPayload` with every NOTIFY on the channel, for as long as it takes: after an outage it connects again, and
 * what was notified meanwhile is lost. `onConnected` is called after each connection.
 * Rejects when the first connection fails.
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
  const subscriber = createSubscriber(
    { connectionString: databaseUrl, application_name: "ccx listen" },
    // 0: never give up; the default gives up for good after three seconds
    { retryTimeout: 0, retryInterval: 1_000, parse: (payload: string) => payload },
  );
  subscriber.notifications.on(channel, handlers.onPayload);
  subscriber.events.on("connected", () => handlers.onConnected?.());
  subscriber.events.on("reconnect", () => handlers.onTrouble?.("the database is away, trying again"));
  subscriber.events.on("error", (error) => handlers.onTrouble?.(messageOf(error)));
  try {
    await subscriber.connect();
    await subscriber.listenTo(channel);
  } catch (error) {
    await subscriber.close();
    throw error;
  }
  return { close: () => subscriber.close() };
}
