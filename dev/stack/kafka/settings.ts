/**
 * The options of every JVM we start: a short start and little memory count for more here than throughput.
 * @param directory for what the libraries unpack
 */
export function jvmOptions(directory: string): string[] {
  return [
    "-Xms64m",
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    "-XX:-UsePerfData",
    // The compression libraries unpack themselves there: it must go with the stack.
    `-Djava.io.tmpdir=${directory}`,
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
  ];
}

/** Where a broker listens besides, and what it asks of clients there. */
export type Listener = {
  /** capital letters */
  name: string;
  port: number;
  protocol: "SSL" | "SASL_PLAINTEXT" | "SASL_SSL";
  /** settings of this listener alone, without their prefix */
  settings: Readonly<Record<string, string>>;
};

/**
 * The content of a `server.properties`: a node that is broker and controller, without authentication.
 * @param data the folder of its storage
 * @param advertisedPort where clients find it, if that is not where it listens
 * @param more listeners besides the one without authentication
 * @param own settings in place of those that are here
 */
export function serverProperties(
  data: string,
  [brokerPort, controllerPort]: [number, number],
  advertisedPort = brokerPort,
  more: readonly Listener[] = [],
  own: Readonly<Record<string, string | number>> = {},
): string {
  const at = (port: number) =>
    [`PLAINTEXT://127.0.0.1:${port}`, ...more.map((it) => `${it.name}://127.0.0.1:${it.port}`)].join(",");
  const protocols = more.map(({ name, protocol }) => `,${name}:${protocol}`).join("");
  const settings = more.flatMap((it) =>
    Object.entries(it.settings).map(([name, value]) => [
      `listener.name.${it.name.toLowerCase()}.${name}`,
      value,
    ]),
  );
  const largestMessage = 20 * 1024 * 1024;
  return Object.entries({
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    "controller.listener.names": "CONTROLLER",
    listeners: `${at(brokerPort)},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": at(advertisedPort),
    "listener.security.protocol.map": `PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT${protocols}`,
    "log.dirs": data,
    "auto.create.topics.enable": false,
    "num.partitions": 1,
    "offsets.topic.num.partitions": 1,
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    "message.max.bytes": largestMessage,
    "replica.fetch.max.bytes": largestMessage,
    "log.retention.hours": -1,
    "num.network.threads": 2,
    "num.io.threads": 2,
    "background.threads": 2,
    "group.coordinator.threads": 1,
    "log.cleaner.dedupe.buffer.size": 2 * 1024 * 1024,
    ...Object.fromEntries(settings),
    ...own,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}
