import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import kafkajs from "kafkajs";
import { registerCodecs } from "../../src/kafka/codecs.ts";
import { decodeFetched } from "../../src/kafka/fetched.ts";

/*
 * What a broker hands over is made by kafkajs' own encoder, damaged, and read as an answer to a fetch.
 */
const require = createRequire(import.meta.url);
const protocol = "kafkajs/src/protocol";
const Decoder = require(`${protocol}/decoder`);
const RecordBatch = require(`${protocol}/recordBatch/v0`).RecordBatch;
const Record = require(`${protocol}/recordBatch/record/v0`);
const crc32C = require(`${protocol}/recordBatch/crc32C`);
const Long = require("kafkajs/src/utils/long");
const { CompressionTypes: types } = kafkajs;
registerCodecs(1_000_000);

/** A batch of `values` whose first offset is `at`. */
async function aBatch(at: number, values: string[], compression: number = types.None): Promise<Buffer> {
  const records = values.map((value, offsetDelta) =>
    Record({ offsetDelta, timestampDelta: 0, key: null, value: Buffer.from(value), headers: {} }),
  );
  const batch = await RecordBatch({
    ...{ compression, records, lastOffsetDelta: values.length - 1, firstOffset: Long.fromInt(at) },
  });
  return Buffer.from(batch.buffer);
}

/** The same with a checksum that fits what is in it. */
function summed(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32C(batch.subarray(21)) >>> 0, 17);
  return batch;
}

function read(...batches: Buffer[]) {
  const size = Buffer.alloc(4);
  const bytes = Buffer.concat(batches);
  size.writeInt32BE(bytes.length);
  return decodeFetched(new Decoder(Buffer.concat([size, bytes])));
}

const seen = (messages: Awaited<ReturnType<typeof read>>) =>
  messages.map(({ offset, unreadable }) => [Number(offset), unreadable?.isTooLarge]);

for (const name of ["None", "GZIP", "Snappy", "LZ4", "ZSTD"] as const)
  test(`${name}: what is whole is handed over, what is cut off at the end comes with the next fetch`, async () => {
    const [one, two] = [await aBatch(3, ["a", "b"], types[name]), await aBatch(5, ["c"], types[name])];
    const whole = [
      [3, undefined],
      [4, undefined],
    ];
    assert.deepEqual(seen(await read(one, two)), [...whole, [5, undefined]]);
    for (const cut of [1, 20, two.length - 1])
      assert.deepEqual(seen(await read(one, two.subarray(0, two.length - cut))), whole);
  });

for (const name of ["GZIP", "Snappy", "LZ4", "ZSTD"] as const)
  test(`${name}: a batch that inflates beyond the limit is one message, and the next batch is read`, async () => {
    const bomb = await aBatch(7, ["0".repeat(600_000), "0".repeat(600_000)], types[name]);
    const [message, next] = await read(bomb, await aBatch(9, ["x"], types[name]));
    assert.deepEqual(seen(message && next ? [message, next] : []), [
      [8, true],
      [9, undefined],
    ]);
    assert.match(message?.unreadable?.detail ?? "", /^The batch of offsets 7 to 8 cannot be read: .*1000000/);
  });

const damage: Record<string, (batch: Buffer) => Buffer> = {
  "a changed byte": (batch) => {
    batch[batch.length - 1] = (batch.at(-1) ?? 0) ^ 1;
    return batch;
  },
  "records of nonsense": (batch) => summed(batch.fill(0xff, 61)),
  "records that are all zero": (batch) => summed(batch.fill(0, 61)),
  "a codec that nobody knows": (batch) => {
    batch.writeInt16BE(7, 21);
    return summed(batch);
  },
  "more records than it has": (batch) => {
    batch.writeInt32BE(1_000, 57);
    return summed(batch);
  },
  "a magic number of the past": (batch) => {
    batch.writeInt8(1, 16);
    return batch;
  },
  "a checksum of another": (batch) => {
    batch.writeUInt32BE(4711, 17);
    return batch;
  },
};
for (const [what, break_] of Object.entries(damage))
  for (const name of ["None", "GZIP", "Snappy", "LZ4", "ZSTD"] as const)
    test(`${name}: ${what} stops nobody: its batch is handed over as it is, and the next one is read`, async () => {
      const bad = break_(await aBatch(7, ["something", "another"], types[name]));
      const messages = await read(await aBatch(6, ["x"]), bad, await aBatch(9, ["y"]));
      const [first, message, last] = messages as unknown as { value: Buffer; unreadable?: object }[];
      assert.equal(messages.length, 3, JSON.stringify(seen(messages)));
      assert.deepEqual([first?.unreadable, last?.unreadable], [undefined, undefined]);
      assert.ok(message?.unreadable);
      assert.ok(message.value.equals(bad));
    });

test("a batch of more messages than a call takes arguments is read", async () => {
  const values = Array.from({ length: 200_000 }, () => "");
  assert.equal((await read(await aBatch(0, values))).length, values.length);
});
