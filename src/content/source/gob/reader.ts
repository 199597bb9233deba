import { isUtf8 } from "node:buffer";

/** Bytes that are no gob, or one beyond our limits. One line that names the offset. */
export class GobError extends Error {
  override name = "GobError";

  constructor(offset: number, problem: string) {
    super(`byte ${offset}: ${problem}`);
  }
}

/**
 * The basic values of a gob stream (Go's package encoding/gob, "Encoding Details"), one after the other. A
 * length is compared with what is left before anything is read or allocated. Everything throws GobError.
 */
export class GobReader {
  offset = 0;
  /** Where the message in hand ends; nothing is read from here on. */
  end: number;
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.end = bytes.byteLength;
  }

  get left(): number {
    return this.end - this.offset;
  }

  fail(problem: string, offset = this.offset): never {
    throw new GobError(offset, problem);
  }

  /** Up to 64 bits; a bigint where a number would lose digits. */
  uint(): number | bigint {
    const start = this.offset;
    const first = this.#bytes[this.#advance(1, "an integer")] as number;
    if (first < 0x80) return first;
    // beyond 127, the first byte is the negated count of the bytes that follow, the highest first
    const size = 0x100 - first;
    if (size > 8) this.fail(`an integer of ${size} bytes, 8 are the most`, start);
    const at = this.#advance(size, "an integer");
    if (size <= 6) return this.#bytes.readUIntBE(at, size);
    const high = this.#bytes.readUIntBE(at, size - 4);
    return narrowed((BigInt(high) << 32n) | BigInt(this.#bytes.readUInt32BE(at + size - 4)));
  }

  /** The lowest bit says whether the others are to be complemented. */
  int(): number | bigint {
    const raw = this.uint();
    if (typeof raw === "number") return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
    return narrowed(raw & 1n ? ~(raw >> 1n) : raw >> 1n);
  }

  /** IEEE 754 in 64 bits; they travel as an unsigned integer whose bytes are the other way round. */
  float(): number {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(this.uint()));
    return bytes.readDoubleLE();
  }

  /** A length or a count of things that take at least `least` bytes each. */
  count(what: string, least = 1): number {
    const start = this.offset;
    const count = this.uint();
    if (count > this.left / least)
      this.fail(`${what} of ${count}, but only ${this.left} bytes are left`, start);
    return Number(count);
  }

  /** A copy, so that a small value does not keep the whole input in memory. */
  bytes(): Uint8Array {
    const size = this.count("bytes");
    const at = this.#advance(size, "bytes");
    return Uint8Array.from(this.#bytes.subarray(at, at + size));
  }

  string(): string {
    const size = this.count("a text");
    const at = this.#advance(size, "a text");
    const bytes = this.#bytes.subarray(at, at + size);
    if (!isUtf8(bytes)) this.fail("a text that is not valid UTF-8", at);
    return bytes.toString("utf8");
  }

  /** Steps over `size` bytes; returns where they begin. */
  #advance(size: number, what: string): number {
    if (size > this.left) this.fail(`ends inside ${what}`);
    const start = this.offset;
    this.offset += size;
    return start;
  }
}

function narrowed(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
