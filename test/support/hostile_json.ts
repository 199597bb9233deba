import { below, pick, type Random } from "../../dev/samples/random.ts";

/** JSON text as it stands: numbers, escapes and keys that JSON.stringify would not write. */
export class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** An object whose keys may come several times. */
export class Pairs {
  readonly pairs: [key: string | Raw, value: Json][];
  constructor(pairs: [string | Raw, Json][]) {
    this.pairs = pairs;
  }
}

export type Json = string | number | boolean | null | Raw | Json[] | Pairs;

export function fromJson(value: unknown): Json {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value !== "object" || value === null) return value as Json;
  return new Pairs(Object.entries(value).map(([key, one]) => [key, fromJson(one)]));
}

export function write(json: Json): string {
  if (json instanceof Raw) return json.text;
  if (Array.isArray(json)) return `[${json.map(write).join(",")}]`;
  if (!(json instanceof Pairs)) return JSON.stringify(json);
  return `{${json.pairs.map(([key, value]) => `${typeof key === "string" ? JSON.stringify(key) : key.text}:${write(value)}`).join(",")}}`;
}

/** So that what one message does to a value reaches no other, nor makes a value part of itself. */
export function copy(json: Json): Json {
  if (Array.isArray(json)) return json.map(copy);
  return json instanceof Pairs ? new Pairs(json.pairs.map(([key, value]) => [key, copy(value)])) : json;
}

/** A place in a message, to read and to change what stands there. */
export type Place = { parent: Json[] | Pairs; nth: number };

/** Every place below `json`, outermost first. */
export function placesIn(json: Json, found: Place[] = []): Place[] {
  if (!(Array.isArray(json) || json instanceof Pairs)) return found;
  const values = Array.isArray(json) ? json : json.pairs.map(([, value]) => value);
  for (const [nth, value] of values.entries()) {
    found.push({ parent: json, nth });
    placesIn(value, found);
  }
  return found;
}

export function put({ parent, nth }: Place, value: Json): void {
  if (Array.isArray(parent)) parent[nth] = value;
  else (parent.pairs[nth] as [unknown, Json])[1] = value;
}

export function valueAt({ parent, nth }: Place): Json {
  return (Array.isArray(parent) ? parent[nth] : parent.pairs[nth]?.[1]) as Json;
}

const raw = (...texts: string[]) => texts.map((text) => new Raw(text));
const digits = (count: number) => "9".repeat(count);

const numbers: Json[] = [
  ...[0, -1, 1, 2.5, 255, 256, 2 ** 31, 2 ** 53 - 1, 2 ** 53],
  ...raw("-0", "1.0", "1e0", "1E+2", "0.1e1", "-0.0", "9223372036854775807", "9223372036854775808"),
  ...raw(
    "-9223372036854775809",
    "18446744073709551616",
    "1e308",
    "1e309",
    "-1e400",
    "1e-400",
    "1e131071",
    "1e131072",
  ),
  ...raw(
    `0.${"0".repeat(16_382)}1`,
    `0.${"0".repeat(16_383)}1`,
    "1e-16383",
    "1e-16384",
    "0e-16384",
    "1e999999999999",
  ),
  ...raw(digits(400), "01", "+1", ".5", "1.", "0x10", "1e", "NaN", "Infinity", "-Infinity", "1_000", "１"),
];

const texts: Json[] = [
  ...[
    "",
    " ",
    "x".repeat(255),
    "x".repeat(256),
    "😀".repeat(255),
    "😀".repeat(256),
    "null",
    "0",
    "true",
    "'",
    '"',
    "\\",
  ],
  ...[
    "'; drop table new_reports; --",
    "$$; select pg_sleep(9); $$",
    "%s%n%%",
    "\u0001\u001b[2J\u007f\u0085",
    "a\nb\tc",
  ],
  ...[
    "\u202egnp.exe",
    "\ufeff",
    "\uffff",
    "ﬀ",
    "İ",
    "K",
    "e\u0301",
    "|",
    "a|b|c",
    ".report",
    "..",
    "{{=it}}",
    "<script>",
  ],
  ...["__proto__", "constructor", "toString", "x".repeat(20_000), "9".repeat(5_000)],
  ...raw(
    '"\\u0000"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\ud83d\\ude00"',
    '"\\u00e9"',
    '"\\x41"',
    '"\\u12"',
    '"\\',
    '"a\nb"',
  ),
  ...raw("'x'", '"\\/"', '"\\u2028"', '"\\uDBFF\\uDFFF"', '"\\u005cu0000"', '"\\\\u0000"', '"\u0000"'),
];

const times: Json[] = [
  ...[
    "2026-02-29T00:00:00Z",
    "2024-02-29T23:59:59Z",
    "2026-01-01T24:00:00Z",
    "2016-12-31T23:59:60Z",
    "2026-1-1T0:0:0Z",
  ],
  ...[
    "0001-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999999999Z",
    "1970-01-01T00:00:00Z",
  ],
  ...[
    "9999-12-31T23:59:59.999999999Z",
    "10000-01-01T00:00:00Z",
    "-2026-01-01T00:00:00Z",
    "+002026-01-01T00:00:00Z",
  ],
  ...[
    "2020-04-02t09:00:05z",
    "2020-04-02T09:00:05+23:59",
    "2020-04-02T09:00:05-24:00",
    "2020-04-02T09:00:05,5Z",
  ],
  ...[
    "2020-04-02T09:00:05.0000009999Z",
    "2020-04-02T09:00:05.999999999Z",
    "2020-04-02 09:00:05Z",
    "2020-04-02T09:00:05",
  ],
  ...[
    "20200402T090005Z",
    "2020-W14-4",
    "1585818005",
    "infinity",
    "-infinity",
    "now",
    "epoch",
    "today",
    "allballs",
  ],
  ...[
    "2020-04-02T09:00:05Z\n",
    "２０２０-04-02T09:00:05Z",
    "2020-04-02T09:00:05 BC",
    "2020-04-02T09:00:05Z; drop table x",
  ],
  1_585_818_005,
];

const clusters: Json[] = [
  ...[
    "00000000-0000-0000-0000-000000000000",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "5d5892d3-1f74-4ccf-91af-548dfc9767a",
  ],
  ...[
    "5d5892d31f744ccf91af548dfc9767aa",
    "{5d5892d3-1f74-4ccf-91af-548dfc9767aa}",
    "5d5892d3-1f74-4ccf-91af-548dfc9767aa\n",
  ],
  ...[
    "urn:uuid:5d5892d3-1f74-4ccf-91af-548dfc9767aa",
    "5D5892D3-1F74-4CCF-91AF-548DFC9767AA",
    "../../etc/passwd",
    "all",
  ],
];

const structures: Json[] = [
  ...[[], new Pairs([]), [[]], [null], new Pairs([["", null]]), null, true, false],
  new Pairs([
    ["reports", []],
    ["system", new Pairs([])],
    ["fingerprints", []],
  ]),
  new Pairs([[new Raw('"__proto__"'), new Pairs([["OrgID", 1]])]]),
  ...raw(
    "[".repeat(120) + "]".repeat(120),
    "[".repeat(5_000) + "]".repeat(5_000),
    `${'{"a":'.repeat(124)}1${"}".repeat(124)}`,
  ),
  ...raw(`[${Array(200).fill("1e131071").join(",")}]`, `[${Array(4).fill("1e131071").join(",")}]`),
  ...raw("[1,]", "{,}", "[", "{", '{"a"}', "//x", "undefined", "tru", ""),
];

/** Anything at all, or what looks right for the key. */
export function hostileValue(random: Random, key: string): Json {
  const fitting: Record<string, Json[]> = {
    OrgID: numbers,
    AccountNumber: numbers,
    Version: numbers,
    LastChecked: times,
    ClusterName: clusters,
    component: texts,
    key: texts,
  };
  const own = fitting[key];
  if (own && random() < 0.7) return pick(random, own);
  return copy(pick(random, pick(random, [numbers, texts, times, clusters, structures])));
}

/** Another spelling of a key: case, escapes, look-alikes, names that objects have by themselves. */
export function hostileKey(random: Random, key: string | Raw): string | Raw {
  const name = typeof key === "string" ? key : "x";
  const first = name.charCodeAt(0).toString(16).padStart(4, "0");
  return pick<string | Raw>(random, [
    ...[
      name.toLowerCase(),
      name.toUpperCase(),
      `${name} `,
      `${name}\u0000`,
      `\ufeff${name}`,
      name.replace("I", "İ"),
      "",
    ],
    ...[
      "__proto__",
      "constructor",
      "hasOwnProperty",
      "then",
      "toJSON",
      "reports",
      "reason",
      "kafka_offset",
      "OrgID",
    ],
    new Raw(`"\\u${first}${JSON.stringify(name.slice(1)).slice(1)}`),
    new Raw('"\\ud800"'),
    new Raw("x"),
    "k".repeat(1 + below(random, 3_000)),
  ]);
}
