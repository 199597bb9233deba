import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { below, pick, type Random, seeded } from "../../../../dev/samples/random.ts";
import { readAnswer } from "../../../../src/content/source/answer.ts";
import { ContentError } from "../../../../src/content/source/error.ts";
import { decodeGob } from "../../../../src/content/source/gob/gob.ts";
import { GobError, GobReader } from "../../../../src/content/source/gob/reader.ts";
import { answerInGob } from "../../../support/content_answer.ts";
import { gobSamples } from "../../../support/gob_samples.ts";

/** `npm run fuzz` takes 100,000; SEED repeats a run. */
const inputs = Number(process.env.FUZZ_INPUTS ?? 5_000);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

const real = join(import.meta.dirname, "../../../../../shared/data/content/rules.gob");
const content = [answerInGob, ...(existsSync(real) ? [readFileSync(real)] : [])];
const samples = gobSamples.map(({ hex }) => Buffer.from(hex, "hex"));
const seedOf = (random: Random) => pick(random, random() < 0.5 ? content : samples);

const interesting = [
  ...[0x00, 0x01, 0x7f, 0x80, 0xf7, 0xf8, 0xff].map((byte) => Buffer.of(byte)),
  Buffer.of(0xfc, 0x7f, 0xff, 0xff, 0xff),
  Buffer.of(0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
  Buffer.of(0xf8, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
];

/**
 * Half of the inputs are changed anywhere. In the others it is one message, and its length is put right
 * again: otherwise hardly any would come past the lengths.
 */
function mutated(random: Random): Buffer {
  const bytes = seedOf(random);
  if (random() < 0.5) return changed(bytes, random);
  const messages: Buffer[] = [];
  for (const reader = new GobReader(bytes); reader.left > 0; ) {
    const end = reader.count("a message") + reader.offset;
    messages.push(bytes.subarray(reader.offset, end));
    reader.offset = end;
  }
  const nth = below(random, messages.length);
  messages[nth] = changed(messages[nth] ?? Buffer.alloc(0), random);
  return Buffer.concat(messages.flatMap((message) => [lengthOf(message), message]));
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < 128) return Buffer.of(length);
  const bytes = Buffer.of(0xfc, 0, 0, 0, 0);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

/**
 * One to three changes: a bit, bytes that mean much, a piece gone, repeated, or out of another input, or the
 * end cut off.
 */
function changed(original: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(original);
  for (let changes = 1 + below(random, 3); changes > 0; changes--) {
    const at = below(random, bytes.length + 1);
    const to = at + below(random, Math.min(64, bytes.length - at + 1));
    const [head, piece, tail] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
    const kind = below(random, 12);
    if (kind >= 6 && at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
    if (kind === 1) bytes = Buffer.concat([head, pick(random, interesting), tail]);
    if (kind === 2) bytes = Buffer.concat([head, tail]);
    if (kind === 3) bytes = Buffer.concat([head, ...Array(1 + below(random, 20)).fill(piece), tail]);
    if (kind === 4) {
      const other = seedOf(random);
      const from = below(random, other.length);
      bytes = Buffer.concat([head, other.subarray(from, from + below(random, 200)), tail]);
    }
    if (kind === 0) bytes = Buffer.from(head);
    if (kind === 5) {
      const instead = pick(random, interesting);
      bytes = Buffer.concat([head, instead, tail.subarray(instead.length)]);
    }
  }
  return bytes;
}

/** What became of it. Throws for anything that is neither a decode nor an error of one clear line. */
function outcome(bytes: Buffer): "damaged" | "no content" | "content" {
  try {
    readAnswer(decodeGob(bytes));
    return "content";
  } catch (error) {
    if (!(error instanceof GobError || error instanceof ContentError)) throw error;
    assert.match(error.message, error instanceof GobError ? /^byte \d+: [^\n]+$/ : /^[^\n]+$/);
    assert.ok(error.message.length < 2_000, error.message);
    return error instanceof GobError ? "damaged" : "no content";
  }
}

test(`${inputs} damaged inputs are decoded or refused, each at once`, { timeout: 600_000 }, (t) => {
  t.diagnostic(`SEED=${seed} FUZZ_INPUTS=${inputs}`);
  const random = seeded(seed);
  const counts = { damaged: 0, "no content": 0, content: 0 };
  const memoryBefore = process.memoryUsage().rss;
  for (let nth = 0; nth < inputs; nth++) {
    const bytes = mutated(random);
    const start = performance.now();
    try {
      counts[outcome(bytes)]++;
    } catch (error) {
      assert.fail(`SEED=${seed}, input ${nth} (${bytes.toString("hex").slice(0, 4_000)}): ${error}`);
    }
    const took = performance.now() - start;
    assert.ok(took < 2_000, `SEED=${seed}, input ${nth} took ${took} ms`);
  }
  const grown = process.memoryUsage().rss - memoryBefore;
  assert.ok(grown < 500 * 1024 * 1024, `SEED=${seed}: ${grown} bytes more`);
  t.diagnostic(JSON.stringify({ ...counts, grown }));
  // else this test would try nothing but the first checks
  for (const [what, count] of Object.entries(counts))
    assert.ok(count > inputs / 100, `SEED=${seed}: ${count} were ${what}`);
});
