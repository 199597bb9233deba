import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import type { IHeaders } from "kafkajs";
import { below, hex, pick, type Random, shuffle } from "../../dev/samples/random.ts";
import { sampleMessages } from "../../dev/samples/samples.ts";
import {
  copy,
  fromJson,
  hostileKey,
  hostileValue,
  type Json,
  Pairs,
  type Place,
  placesIn,
  put,
  valueAt,
  write,
} from "./hostile_json.ts";
import { aReport, type Hit } from "./reports.ts";

export type HostileMessage = { value: Buffer | null; key: Buffer | null; headers: IHeaders };

const shared = join(import.meta.dirname, "../../../shared/data/messages");

/** Messages to start from, as text: ours, and real ones where they are at hand. */
export function seedMessages(random: Random, now: Date): string[] {
  const ours = sampleMessages({ reports: 200, seed: below(random, 2 ** 31), now })
    .filter(({ expect }) => expect !== "rejected")
    .map(({ value }) => (value[0] === 0x1f ? gunzipSync(value) : value).toString());
  const kinds: Hit[][] = [["bug"], ["proxy", "bug"], ["volume", "tutorial"], []];
  const known = kinds.flatMap((hits) =>
    Array.from({ length: 10 }, (_, nth) =>
      aReport(`00000000-0000-4000-8000-${String(nth).padStart(12, "0")}`, hits),
    ),
  );
  const real = existsSync(shared)
    ? globSync("*.ndjson", { cwd: shared })
        .sort()
        .flatMap((file) => readFileSync(join(shared, file), "utf8").split("\n"))
        .filter((line) => line.startsWith("{") && line.length < 50_000)
    : [];
  return [...ours, ...known, ...shuffle(random, real).slice(0, 200)];
}

/** One message, changed in one to three places of its structure, and one in four in its bytes, too. */
export function hostileMessage(random: Random, seeds: readonly string[]): HostileMessage {
  const whole = JSON.parse(pick(random, seeds));
  // else the same few reports would come again and again
  if (random() < 0.3)
    whole.ClusterName = hex(random, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  const message = fromJson(whole);
  for (let changes = below(random, 4); changes > 0; changes--) change(random, message);
  const value = random() < 0.25 ? damaged(random, Buffer.from(write(message))) : Buffer.from(write(message));
  return {
    value: random() < 0.01 ? null : value,
    key: pick(random, [null, null, Buffer.alloc(0), Buffer.from([0xff, 0, 0x27]), Buffer.from("'; --")]),
    headers: pick(random, headers),
  };
}

const fields = ["OrgID", "AccountNumber", "ClusterName", "Report", "LastChecked", "Version"];

/** A place of the message: most often one that means something to us. */
function somePlace(random: Random, message: Json): Place | undefined {
  const places = placesIn(message);
  const nameOf = ({ parent, nth }: Place) => (Array.isArray(parent) ? "" : String(parent.pairs[nth]?.[0]));
  const kind = random();
  const chosen =
    kind < 0.3
      ? places.filter((place) => fields.includes(nameOf(place)))
      : kind < 0.5
        ? places.filter((place) => ["component", "key", "reports"].includes(nameOf(place)))
        : places;
  return chosen.length > 0 ? pick(random, chosen) : undefined;
}

function change(random: Random, message: Json): void {
  const place = somePlace(random, message);
  if (!place) return;
  const { parent, nth } = place;
  const entry = Array.isArray(parent) ? undefined : parent.pairs[nth];
  const name = typeof entry?.[0] === "string" ? entry[0] : "";
  switch (below(random, 8)) {
    case 0:
      if (Array.isArray(parent)) parent.splice(nth, 1);
      else parent.pairs.splice(nth, 1);
      return;
    case 1: // twice: the last one counts
      if (Array.isArray(parent)) parent.push(copy(valueAt(place)));
      else parent.pairs.splice(below(random, parent.pairs.length + 1), 0, [name, hostileValue(random, name)]);
      return;
    case 2:
      if (entry) entry[0] = hostileKey(random, entry[0]);
      else if (Array.isArray(parent))
        parent.push(...Array.from({ length: below(random, 50) }, () => copy(valueAt(place))));
      return;
    case 3:
      put(place, new Pairs([[name, valueAt(place)]]));
      return;
    case 4:
      put(place, [valueAt(place)]);
      return;
    case 5: {
      const other = somePlace(random, message);
      if (other) put(place, typeof valueAt(other) === "object" ? hostileValue(random, name) : valueAt(other));
      return;
    }
    default:
      put(place, hostileValue(random, name));
      return;
  }
}

const pieces = [
  ...[
    [0],
    [0xff],
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xe2, 0x82],
    [0xef, 0xbb, 0xbf],
  ].map((bytes) => Buffer.from(bytes)),
  ...["{", "}", "[", '"', "\\", ",", "\\u0000", "\\ud800", "1e400", "\n", "null"].map((text) =>
    Buffer.from(text),
  ),
];

function damaged(random: Random, bytes: Buffer): Buffer {
  const at = below(random, bytes.length + 1);
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (below(random, 10)) {
    case 0:
      return head;
    case 1:
      return Buffer.concat([head, pick(random, pieces), tail]);
    case 2:
      return Buffer.concat([head, tail.subarray(1 + below(random, 20))]);
    case 3: {
      const flipped = Buffer.from(bytes);
      if (at < bytes.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << below(random, 8));
      return flipped;
    }
    case 4:
      return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]);
    case 5:
      return gzipSync(bytes);
    case 6:
      return gzipSync(bytes).subarray(0, 1 + below(random, bytes.length));
    case 7:
      return Buffer.concat([
        gzipSync(bytes),
        pick(random, [Buffer.alloc(5), gzipSync("{}"), bytes.subarray(0, 9)]),
      ]);
    case 8:
      return Buffer.from(bytes.toString("utf8"), pick(random, ["utf16le", "latin1", "ascii"]));
    default:
      return pick(random, [
        Buffer.alloc(0),
        Buffer.from(" \n"),
        Buffer.from("null"),
        Buffer.from("[]"),
        Buffer.from("{}"),
      ]);
  }
}

const headers: IHeaders[] = [
  {},
  { service: "buildin" },
  { h: Buffer.from([0, 0xff]) },
  { h: [Buffer.from("a"), Buffer.from("b"), ""] },
  { h: undefined },
  { h: [Buffer.from("a"), null as never] },
  { h: null as never },
  JSON.parse('{"__proto__": "x", "constructor": ""}'),
  { "a\u0000": "1", "a\ufffd": "2", "\ud800": "3", "": "4", "'; --": "5" },
];
