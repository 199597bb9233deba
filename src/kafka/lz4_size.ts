const frameMagic = 0x184d2204;

/**
 * How many bytes an LZ4 frame decompresses to at most, from its block headers alone (LZ4 Frame Format
 * Description 1.6). Blocks are taken as full, so the figure is less than one block (64 KiB to 4 MiB) too high
 * for what Kafka's producers write. Undefined when this is no complete frame.
 * Needed because the decompressor has no limit of its own.
 */
export function lz4SizeLimit(data: Buffer): number | undefined {
  let total = 0;
  let offset = 0;
  while (offset === 0 || (offset + 4 <= data.length && data.readUInt32LE(offset) === frameMagic)) {
    if (data.length < offset + 7 || data.readUInt32LE(offset) !== frameMagic) return undefined;
    const flags = data[offset + 4] ?? 0;
    const blockSize = 2 ** (8 + 2 * (((data[offset + 5] ?? 0) >> 4) & 7));
    offset += 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0);
    for (;;) {
      if (offset + 4 > data.length) return undefined;
      const header = data.readUInt32LE(offset);
      offset += 4;
      if (header === 0) break;
      const stored = header & 0x7fffffff;
      // A byte of compressed data stands for 255 bytes at most.
      total += header >>> 31 === 1 ? stored : Math.min(blockSize, stored * 255);
      offset += stored + (flags & 0x10 ? 4 : 0);
    }
    offset += flags & 0x04 ? 4 : 0;
  }
  return total;
}
