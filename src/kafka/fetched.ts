import { createRequire } from "node:module";
import { messageOf } from "../errors.ts";
import { isTooLargeBatch } from "./codecs.ts";

/*
 * kafkajs decodes what it fetched before anybody of ours sees it, and ends the consumer when a batch of a
 * producer cannot be decoded: at each start again, with all partitions. It has no place to change that, so
 * its module that decodes the messages of one partition is replaced, before it is loaded for the first time
 * (with the first answer to a fetch). Decoding itself stays with kafkajs.
 */

/** Why a batch cannot be read. The message that carries it stands for the whole batch, at its last offset. */
export type Unreadable = {
  /** It inflates to more than a codec here takes. */
  isTooLarge: boolean;
  /** One sentence that names the offsets and what is wrong. */
  detail: string;
};

/** What of kafkajs' Decoder is used. */
type Decoder = {
  buffer: Buffer;
  offset: number;
  readInt32(): number;
  canReadBytes(length: number): boolean;
  readBytes(length: number): Buffer;
};
type Decoded = { offset: string; unreadable?: Unreadable };

const protocol = "kafkajs/src/protocol";
const require = createRequire(import.meta.url);
const overhead = 12; // its offset and its length, in all formats
const headerBytes = 61; // of a batch, in front of its records
const magicAt = 16;

/**
 * Lets kafkajs hand over what it cannot decode as a message with `unreadable`. Call once, before it fetches.
 */
export function passOnUnreadable(): void {
  const path = require.resolve(`${protocol}/requests/fetch/v4/decodeMessages`);
  const loaded = require.cache[path];
  if (loaded?.exports === decodeFetched) return;
  if (loaded) throw new Error("kafkajs has fetched already");
  require(path);
  const cached = require.cache[path];
  if (cached) cached.exports = decodeFetched;
}

/** The messages of one partition in an answer to a fetch; the place of kafkajs' function of the same kind. */
export async function decodeFetched(decoder: Decoder): Promise<Decoded[]> {
  const size = decoder.readInt32();
  if (size <= 0 || !decoder.canReadBytes(size)) return [];
  const bytes = decoder.readBytes(size);
  const messages: Decoded[] = [];
  for (let at = 0; at + overhead <= bytes.length; ) {
    const length = bytes.readInt32BE(at + 8);
    const end = at + overhead + length;
    // the last one may be cut off: it comes whole with the next fetch
    if (end > bytes.length) break;
    const batch = bytes.subarray(at, Math.max(end, at + overhead));
    // not push(...): a batch may have more messages than a call takes arguments
    for (const message of await decodeBatch(batch)) messages.push(message);
    if (length < 0) break;
    at = end;
  }
  return messages;
}

/** The messages of one batch (or of one entry of the formats before), or one that stands for them. */
async function decodeBatch(batch: Buffer): Promise<Decoded[]> {
  const Decoder = require(`${protocol}/decoder`);
  try {
    if (batch.length <= magicAt) throw new Error("it is cut off");
    if (batch.readInt8(magicAt) < 2)
      return await require(`${protocol}/messageSet/decoder`)(new Decoder(batch), batch.length);
    checkHeader(batch);
    const { records } = await require(`${protocol}/recordBatch/v0/decoder`)(new Decoder(batch));
    checkOffsets(batch, records);
    return records;
  } catch (error) {
    return [standIn(batch, error)];
  }
}

/** A message in the place of a batch, at its last offset, so that reading goes on behind it. */
function standIn(batch: Buffer, error: unknown): Decoded {
  const isBatch = batch.length >= headerBytes && batch.readInt8(magicAt) === 2;
  const first = batch.readBigInt64BE(0);
  const last = first + BigInt(isBatch ? Math.max(batch.readInt32BE(23), 0) : 0);
  const offsets = first === last ? `offset ${first}` : `offsets ${first} to ${last}`;
  const message = {
    magicByte: 2,
    attributes: 0,
    timestamp: isBatch ? `${batch.readBigInt64BE(35)}` : "0",
    offset: `${last}`,
    key: null,
    value: batch,
    headers: {},
    isControlRecord: false,
    batchContext: { firstOffset: `${first}`, inTransaction: false },
    unreadable: {
      isTooLarge: isTooLargeBatch(error),
      detail: `The batch of ${offsets} cannot be read: ${messageOf(error)}`,
    },
  };
  return message;
}

const newestCodec = 4; // zstd; kafkajs takes one that it does not know for none

/**
 * @throws Error when the bytes of a batch are not those that its producer wrote, or in a codec that is
 * unknown
 */
function checkHeader(batch: Buffer): void {
  if (batch.length < headerBytes) throw new Error("it is cut off");
  const codec = batch.readInt16BE(21) & 7;
  if (codec > newestCodec) throw new Error(`its compression ${codec} is not known`);
  if (crc32c(batch.subarray(21)) !== batch.readUInt32BE(17)) throw new Error("its checksum does not fit");
}

/**
 * @throws Error when there are messages outside of the offsets that the batch says it has, or out of order
 */
function checkOffsets(batch: Buffer, records: Decoded[]): void {
  let before = batch.readBigInt64BE(0) - 1n;
  const last = before + 1n + BigInt(batch.readInt32BE(23));
  for (const { offset } of records) {
    const at = BigInt(offset);
    if (at <= before || at > last) throw new Error(`it has no offset ${offset}`);
    before = at;
  }
}

/** CRC-32C (Castagnoli), four bytes at a time; Node.js has only the CRC of zlib. */
function crc32c(bytes: Buffer): number {
  const [one, two, three, four] = crcTables as [Int32Array, Int32Array, Int32Array, Int32Array];
  let crc = -1;
  let at = 0;
  for (const end = bytes.length - 3; at < end; at += 4) {
    crc ^= bytes.readInt32LE(at);
    crc =
      (four[crc & 0xff] as number) ^
      (three[(crc >>> 8) & 0xff] as number) ^
      (two[(crc >>> 16) & 0xff] as number) ^
      (one[crc >>> 24] as number);
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ (one[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

const crcTables = (() => {
  const tables = [0, 1, 2, 3].map(() => new Int32Array(256));
  const [first] = tables as [Int32Array];
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    first[byte] = crc;
  }
  for (let n = 1; n < 4; n++)
    for (let byte = 0; byte < 256; byte++) {
      const before = tables[n - 1]?.[byte] as number;
      (tables[n] as Int32Array)[byte] = (before >>> 8) ^ (first[before & 0xff] as number);
    }
  return tables;
})();
