import type pg from "pg";

/** What a client hands to the queries that it runs: the protocol of PostgreSQL. */
type Connection = {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
};

/**
 * `copy … from stdin` with these lines (the text format, each ending in a newline).
 * Rejects with what the server says.
 */
export function copyIn(client: pg.Client, statement: string, lines: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let failure: Error | undefined;
  client.query({
    submit: (connection: Connection) => connection.query(statement),
    handleCopyInResponse(connection: Connection) {
      connection.sendCopyFromChunk(lines);
      connection.endCopyFrom();
    },
    handleCommandComplete() {},
    handleError(error: Error) {
      failure = error;
      reject(error);
    },
    handleReadyForQuery: () => (failure ? undefined : resolve()),
  } as unknown as pg.Submittable);
  return promise;
}

/** A value in the text format of copy. */
export function copyText(value: string): string {
  return value
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("\r", "\\r");
}
