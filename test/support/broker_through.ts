import net from "node:net";

/**
 * Preloaded into a service (`node --import`): what it sends to the port BROKER_PORT goes through PROXY_PORT.
 * Clients of Kafka connect to the address that the broker says it has, whatever they were given.
 */
const { BROKER_PORT, PROXY_PORT } = process.env;
const connect = net.connect as (...args: unknown[]) => net.Socket;
net.connect = ((...args: unknown[]) => {
  const [first, ...rest] = args;
  const isBroker = typeof first === "object" && String((first as { port?: unknown })?.port) === BROKER_PORT;
  return isBroker
    ? connect({ ...(first as object), host: "127.0.0.1", port: Number(PROXY_PORT) }, ...rest)
    : connect(...args);
}) as typeof net.connect;
