import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { zstdCompressSync } from "node:zlib";
import kafkajs from "kafkajs";
import { compressFrameSync } from "lz4-napi";
import { type Codec, createCodecs, registerCodecs } from "../../src/kafka/codecs.ts";

const { CompressionCodecs, CompressionTypes, KafkaJSNonRetriableError } = kafkajs;
const maxBytes = 20_000_000;
const codecs = createCodecs(maxBytes);
const names = ["gzip", "snappy", "lz4", "zstd"] as const;

const text = "In the beginning there was a topic, and the topic had partitions. ";
const samples = {
  nothing: Buffer.alloc(0),
  "one byte": Buffer.from("a"),
  "a text": Buffer.from(text.repeat(1_000)),
  "what does not compress": Buffer.from(
    Array.from({ length: 50_000 }, (_, i) => (i * i * 31 + (i >> 3)) & 0xff),
  ),
  "several blocks": Buffer.alloc(9_500_000, text),
};

const isTooLarge = (error: unknown) =>
  error instanceof KafkaJSNonRetriableError && /more than 20000000 bytes/.test(error.message);

for (const name of names) {
  describe(name, () => {
    const codec = codecs[name];
    for (const [what, sample] of Object.entries(samples)) {
      it(`gives back ${what}`, async () => {
        assert.ok((await codec.decompress(await codec.compress({ buffer: sample }))).equals(sample));
      });
    }

    it("refuses a batch that would become too large, and not for a retry", async () => {
      const packed = await codec.compress({ buffer: Buffer.alloc(50_000_000) });
      await assert.rejects(codec.decompress(packed), isTooLarge);
    });

    // snappyjs fills up with zeros instead; the broker has checked the batch's CRC before.
    it("refuses a batch that is cut off", {
      skip: name === "snappy" && "snappyjs does not notice",
    }, async () => {
      const packed = await codec.compress({ buffer: samples["a text"] });
      await assert.rejects(codec.decompress(packed.subarray(0, packed.length - 6)));
    });

    it("refuses what is no such data", async () => {
      await assert.rejects(codec.decompress(Buffer.from("neither compressed nor anything else")));
    });
  });
}

describe("data of other producers", () => {
  it("are snappy in the blocks of the Java client", async () => {
    const header = Buffer.from([0x82, ...Buffer.from("SNAPPY"), 0, 0, 0, 0, 1, 0, 0, 0, 1]);
    const parts: Buffer[] = [header];
    const sample = samples["a text"];
    for (let start = 0; start < sample.length; start += 32_768) {
      const block = await codecs.snappy.compress({ buffer: sample.subarray(start, start + 32_768) });
      const size = Buffer.alloc(4);
      size.writeUInt32BE(block.length);
      parts.push(size, block);
    }
    assert.ok((await codecs.snappy.decompress(Buffer.concat(parts))).equals(sample));

    const bomb = Buffer.from([0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x07]); // a block that claims 2 GiB
    await assert.rejects(codecs.snappy.decompress(Buffer.concat([header, bomb])), isTooLarge);
  });

  it("are LZ4 frames with and without size and checksums", async () => {
    // "kafka " 20 times, written by the lz4 command line tool 1.9.4 with these options.
    const frames = {
      "--no-content-size": "04224d186440a7100000006f6b61666b612006005a5061666b61200000000093ab2586",
      "--content-size":
        "04224d186c40780000000000000001100000006f6b61666b612006005a5061666b61200000000093ab2586",
      "-BX": "04224d187c40780000000000000014100000006f6b61666b612006005a5061666b61200e7597320000000093ab2586",
      "--no-frame-crc": "04224d18604082100000006f6b61666b612006005a5061666b612000000000",
    };
    for (const [options, frame] of Object.entries(frames)) {
      const output = await codecs.lz4.decompress(Buffer.from(frame, "hex"));
      assert.equal(String(output), "kafka ".repeat(20), options);
    }
    for (const options of [{ contentChecksum: true }, { blockChecksums: true }]) {
      const sample = samples["several blocks"];
      assert.ok((await codecs.lz4.decompress(compressFrameSync(sample, options))).equals(sample));
    }
  });

  it("are an LZ4 block left as it was, and LZ4 blocks that refer to the one before", async () => {
    const raw =
      "04224d187c4028000000000000004d28000080000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262702cfa6d60000000002cfa6d6";
    assert.deepEqual([...(await codecs.lz4.decompress(Buffer.from(raw, "hex")))], [...Array(40).keys()]);
    // "kafka " 12,000 times with -B4 -BD: blocks of 64 KiB.
    const linked = `04224d1844405e100100006f6b61666b61200600${"f".repeat(512)}e250206b61666b230000000ffc${"f".repeat(52)}415061666b612000000000539018a5`;
    assert.equal(String(await codecs.lz4.decompress(Buffer.from(linked, "hex"))), "kafka ".repeat(12_000));
  });

  it("are zstd in several frames", async () => {
    const frames = ["one ", "two"].map((part) => zstdCompressSync(part));
    assert.equal(String(await codecs.zstd.decompress(Buffer.concat(frames))), "one two");
  });
});

it("kafkajs finds a codec for each compression type, however often they are registered", () => {
  registerCodecs();
  registerCodecs();
  for (const type of [
    CompressionTypes.GZIP,
    CompressionTypes.Snappy,
    CompressionTypes.LZ4,
    CompressionTypes.ZSTD,
  ]) {
    assert.equal(typeof (CompressionCodecs as Record<number, () => Codec>)[type]?.().decompress, "function");
  }
});
