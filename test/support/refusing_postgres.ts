import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/**
 * Stands for a PostgreSQL that asks for a password and then refuses whoever comes; the embedded one trusts
 * everybody. Messages by the PostgreSQL manual, "Message Formats": a byte for the kind, the length, the
 * content.
 */
export async function startRefusingPostgres() {
  const message = (kind: string, content: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(content.length + 4);
    return Buffer.concat([Buffer.from(kind), length, content]);
  };
  const askForPassword = message("R", Buffer.from([0, 0, 0, 3]));
  const refuse = message(
    "E",
    Buffer.from('SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "ccx"\0\0'),
  );
  const server = createServer((socket) => {
    let asked = false;
    socket.on("error", () => undefined);
    socket.on("data", () => {
      if (asked) socket.end(refuse);
      else socket.write(askForPassword);
      asked = true;
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}
