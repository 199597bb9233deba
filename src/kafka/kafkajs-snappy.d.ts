/** The package has no types of its own. */
declare module "kafkajs-snappy" {
  interface SnappyCodec {
    compress(encoder: { buffer: Buffer }): Promise<Buffer>;
    decompress(data: Buffer): Promise<Buffer>;
  }
  const createSnappyCodec: () => SnappyCodec;
  export = createSnappyCodec;
}
