import { maxTotalBytes } from "../files.ts";
import { GobReader } from "./reader.ts";
import { definedType, definitionType, firstUserType, type GobType, ownTypes } from "./types.ts";

/*
 * Own code: we know of no maintained decoder for JavaScript, and this one has to bound what a stranger's
 * bytes may cost.
 */

// Every value takes a byte at least, and can take some fifty in memory: 50 MB of the smallest would be
// gigabytes.
const maxValues = 1_000_000;
const maxDepth = 64;

/**
 * Decodes a stream of Go's encoding/gob that holds one value, of whatever type: streams describe their types.
 *
 * Structs and maps with string keys become objects (a field of zero value is not on the wire, so it is
 * missing), other maps a Map, arrays and slices arrays, `[]byte` a Uint8Array, integers beyond 2^53 a bigint,
 * complex numbers [real, imaginary], a nil interface null, an interface its value. What a type encodes by a
 * method of its own (time.Time) stays bytes.
 *
 * @throws GobError, one line with the offset: damaged bytes, more than one value, a key or field given twice,
 * or over
 *   50 MiB, a million values, or 64 levels.
 */
export function decodeGob(bytes: Uint8Array): unknown {
  return new Decoder(bytes).stream();
}

class Decoder {
  readonly #reader: GobReader;
  readonly #size: number;
  readonly #types = new Map(ownTypes);
  #values = 0;

  constructor(bytes: Uint8Array) {
    this.#reader = new GobReader(bytes);
    this.#size = bytes.byteLength;
    if (bytes.byteLength > maxTotalBytes) this.#reader.fail("over 50 MiB");
  }

  /** Messages up to the one with the value; each begins with the id of its type. */
  stream(): unknown {
    const reader = this.#reader;
    for (;;) {
      this.#nextMessage();
      const type = this.#typeId();
      if (type < 0) this.#define(-type);
      const value = type < 0 ? undefined : this.#single(type, 1);
      if (reader.left > 0) reader.fail("the message goes on behind its end");
      if (type < 0) continue;
      if (reader.offset < this.#size) reader.fail("something follows the value");
      return value;
    }
  }

  /** Before each message stands its length. */
  #nextMessage(): void {
    const reader = this.#reader;
    if (reader.offset === this.#size) reader.fail("ends before its value");
    reader.end = this.#size;
    const length = reader.count("a message");
    reader.end = reader.offset + length;
  }

  #typeId(): number {
    const start = this.#reader.offset;
    const id = this.#reader.int();
    if (typeof id === "bigint" || id === 0) return this.#reader.fail(`${id} as the id of a type`, start);
    return id;
  }

  #define(id: number): void {
    const start = this.#reader.offset;
    if (this.#types.has(id)) this.#reader.fail(`type ${id} is defined already`, start);
    if (id < firstUserType) this.#reader.fail(`type ${id} is not for others to define`, start);
    const type = definedType(this.#value(definitionType, 1));
    this.#types.set(id, type ?? this.#reader.fail(`the definition of type ${id} makes no sense`, start));
  }

  /** A value that is not part of another one: before any but a struct stands a zero. */
  #single(type: number, depth: number): unknown {
    const start = this.#reader.offset;
    if (this.#type(type).kind !== "struct" && this.#reader.uint() !== 0)
      this.#reader.fail("no zero before the value", start);
    return this.#value(type, depth);
  }

  #type(id: number): GobType {
    return this.#types.get(id) ?? this.#reader.fail(`type ${id} is not defined`);
  }

  #value(typeId: number, depth: number): unknown {
    const reader = this.#reader;
    if (depth > maxDepth) reader.fail(`nested more than ${maxDepth} levels deep`);
    if (++this.#values > maxValues) reader.fail(`more than ${maxValues} values`);
    const type = this.#type(typeId);
    switch (type.kind) {
      case "bool":
        return this.#bool();
      case "int":
        return reader.int();
      case "uint":
        return reader.uint();
      case "float":
        return reader.float();
      case "complex":
        return [reader.float(), reader.float()];
      case "bytes":
      case "opaque":
        return reader.bytes();
      case "string":
        return reader.string();
      case "interface":
        return this.#interface(depth);
      case "array":
      case "slice":
        return this.#list(type, depth);
      case "map":
        return this.#map(type, depth);
      case "struct":
        return this.#struct(type.fields, depth);
      default:
        return type satisfies never;
    }
  }

  #bool(): boolean {
    const start = this.#reader.offset;
    const value = this.#reader.uint();
    return value === 0 || value === 1 ? value === 1 : this.#reader.fail(`${value} as a truth value`, start);
  }

  #list(type: { element: number; length?: number }, depth: number): unknown[] {
    const start = this.#reader.offset;
    const count = this.#reader.count("a list");
    if (type.length !== undefined && count !== type.length)
      this.#reader.fail(`an array of ${count} instead of ${type.length}`, start);
    const list: unknown[] = [];
    for (let nth = 0; nth < count; nth++) list.push(this.#value(type.element, depth + 1));
    return list;
  }

  #map(type: { key: number; element: number }, depth: number): unknown {
    const entries = new Map<unknown, unknown>();
    for (let left = this.#reader.count("a map", 2); left > 0; left--) {
      const start = this.#reader.offset;
      const key = this.#value(type.key, depth + 1);
      if (entries.has(key)) this.#reader.fail(`the key ${JSON.stringify(String(key))} is there twice`, start);
      entries.set(key, this.#value(type.element, depth + 1));
    }
    // fromEntries makes a property even of a key that every object has
    return this.#type(type.key).kind === "string" ? Object.fromEntries(entries) : entries;
  }

  /** Each field has before it how many numbers it comes after the one before; a zero is the end. */
  #struct(fields: readonly { name: string; type: number }[], depth: number): object {
    const entries: [string, unknown][] = [];
    for (let number = -1; ; ) {
      const start = this.#reader.offset;
      const step = this.#reader.uint();
      if (step === 0) return Object.fromEntries(entries);
      number += Number(step);
      const field =
        fields[number] ?? this.#reader.fail(`a field beyond the ${fields.length} there are`, start);
      entries.push([field.name, this.#value(field.type, depth + 1)]);
    }
  }

  /**
   * The name of the type inside, its id, a length and the value. Definitions may come before the id, and Go
   * ends the message behind one, so the value goes on in the next; for that reason the lengths are often
   * wrong, and Go, too, takes no notice of them.
   */
  #interface(depth: number): unknown {
    const reader = this.#reader;
    if (reader.string() === "") return null;
    let type = this.#typeId();
    for (; type < 0; type = this.#typeId()) {
      this.#define(-type);
      if (reader.left === 0) this.#nextMessage();
      else reader.uint();
    }
    reader.uint();
    return this.#single(type, depth + 1);
  }
}
