import { promisify } from "node:util";
import zlib from "node:zlib";
import kafkajs from "kafkajs";
import snappy from "kafkajs-snappy";
import { compressFrame, decompressFrame } from "lz4-napi";
import { lz4SizeLimit } from "./lz4_size.ts";

const { CompressionCodecs, CompressionTypes, KafkaJSNonRetriableError } = kafkajs;
const gzip = promisify(zlib.gzip);
const gunzip = promisify(zlib.gunzip);
const zstdCompress = promisify(zlib.zstdCompress);

/** What kafkajs asks of a codec. */
export interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>;
  decompress(data: Buffer): Promise<Buffer>;
}

/** Far above what a broker takes in one batch, far below what would take the process down. */
const defaultMaxBatchBytes = 256 * 1024 * 1024;

/**
 * Lets kafkajs, which brings only gzip, read and write all compression types of Kafka. Call once at start.
 * Node.js and two packages compress; own code is what bounds a batch before it takes memory, which kafkajs
 * does not ask of a codec. A batch that decompresses to more than `maxBytes` is refused; what becomes of it,
 * fetched.ts says.
 */
export function registerCodecs(maxBytes: number = defaultMaxBatchBytes): void {
  const codecs = createCodecs(maxBytes);
  CompressionCodecs[CompressionTypes.GZIP] = () => codecs.gzip;
  CompressionCodecs[CompressionTypes.Snappy] = () => codecs.snappy;
  CompressionCodecs[CompressionTypes.LZ4] = () => codecs.lz4;
  CompressionCodecs[CompressionTypes.ZSTD] = () => codecs.zstd;
}

/** The codecs with their limit, for `registerCodecs` and for tests. */
export function createCodecs(maxBytes: number): Record<"gzip" | "snappy" | "lz4" | "zstd", Codec> {
  const plainSnappy: Codec = snappy();
  return {
    gzip: {
      compress: ({ buffer }) => gzip(buffer),
      decompress: (data) => limited(maxBytes, gunzip(data, { maxOutputLength: maxBytes })),
    },
    snappy: {
      compress: (encoder) => plainSnappy.compress(encoder),
      decompress: async (data) => {
        if (snappySize(data) > maxBytes) throw tooLarge(maxBytes);
        return plainSnappy.decompress(data);
      },
    },
    lz4: {
      compress: ({ buffer }) => compressFrame(buffer),
      decompress: async (data) => {
        const size = lz4SizeLimit(data);
        if (size === undefined) throw new Error("The batch is no complete LZ4 frame.");
        if (size > maxBytes) throw tooLarge(maxBytes);
        return decompressFrame(data);
      },
    },
    zstd: {
      compress: ({ buffer }) => zstdCompress(buffer),
      decompress: (data) => limited(maxBytes, zstdDecompressAll(data, maxBytes)),
    },
  };
}

class TooLargeBatch extends KafkaJSNonRetriableError {}

/** Whether a codec refused a batch for its size. */
export const isTooLargeBatch = (error: unknown): boolean => error instanceof TooLargeBatch;

function tooLarge(maxBytes: number): Error {
  return new TooLargeBatch(`A batch of messages decompresses to more than ${maxBytes} bytes.`);
}

async function limited(maxBytes: number, output: Promise<Buffer>): Promise<Buffer> {
  try {
    return await output;
  } catch (error) {
    throw error instanceof RangeError ? tooLarge(maxBytes) : error; // ERR_BUFFER_TOO_LARGE
  }
}

/** All the frames in `data`: Node stops after the first and says nothing about the rest. */
async function zstdDecompressAll(data: Buffer, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let rest = data;
  let room = maxBytes;
  do {
    const { buffer, consumed } = await zstdDecompressFirst(rest, room);
    parts.push(buffer);
    room = Math.max(room - buffer.length, 1); // Node takes no limit of 0
    rest = rest.subarray(consumed);
  } while (rest.length > 0);
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

function zstdDecompressFirst(data: Buffer, maxBytes: number): Promise<{ buffer: Buffer; consumed: number }> {
  return new Promise((resolve, reject) => {
    zlib.zstdDecompress(data, { maxOutputLength: maxBytes, info: true }, (error, result) => {
      if (error) return reject(error);
      // With `info` the result is both; the types do not say so. `bytesWritten` is what was read of the
      // input.
      const { buffer, engine } = result as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
      if (engine.bytesWritten === 0) return reject(new Error("The batch is no zstd frame."));
      resolve({ buffer, consumed: engine.bytesWritten });
    });
  });
}

const xerialHeader = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);

/**
 * The size that snappy data claim to have: bare, or as the Java client's blocks behind a header of 16 bytes.
 */
function snappySize(data: Buffer): number {
  if (!data.subarray(0, 8).equals(xerialHeader)) return uncompressedLength(data, 0);
  let size = 0;
  for (let offset = 16; offset + 4 <= data.length; offset += 4 + data.readUInt32BE(offset)) {
    size += uncompressedLength(data, offset + 4);
  }
  return size;
}

/** The number that snappy data begin with: seven bits a byte, lowest first. */
function uncompressedLength(data: Buffer, offset: number): number {
  let length = 0;
  for (let index = 0; index < 5; index++) {
    const byte = data[offset + index] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) break;
  }
  return length;
}
