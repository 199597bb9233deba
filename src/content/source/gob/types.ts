import { z } from "zod";

/** What is known of a type by its id; other types are named by their ids. */
export type GobType =
  | { kind: "bool" | "int" | "uint" | "float" | "bytes" | "string" | "complex" | "interface" }
  /** encoded by a method of its own (time.Time, for one): bytes whose meaning only that type knows */
  | { kind: "opaque" }
  | { kind: "array"; element: number; length: number }
  | { kind: "slice"; element: number }
  | { kind: "map"; key: number; element: number }
  | { kind: "struct"; fields: readonly { name: string; type: number }[] };

/** Ids below are gob's own. */
export const firstUserType = 64;
/** The type of type definitions, `wireType` in encoding/gob. */
export const definitionType = 16;

const [int, string, common, fieldList, encoded] = [2, 6, 18, 22, 24];
const struct = (fields: Record<string, number>): GobType => ({
  kind: "struct",
  fields: Object.entries(fields).map(([name, type]) => ({ name, type })),
});

/** The types that every stream begins with: the basic ones, and those that type definitions are made of. */
export const ownTypes: ReadonlyMap<number, GobType> = new Map<number, GobType>([
  [1, { kind: "bool" }],
  [int, { kind: "int" }],
  [3, { kind: "uint" }],
  [4, { kind: "float" }],
  [5, { kind: "bytes" }],
  [string, { kind: "string" }],
  [7, { kind: "complex" }],
  [8, { kind: "interface" }],
  [
    definitionType,
    struct({
      ...{ ArrayT: 17, SliceT: 19, StructT: 20, MapT: 23 },
      ...{ GobEncoderT: encoded, BinaryMarshalerT: encoded, TextMarshalerT: encoded },
    }),
  ],
  [17, struct({ CommonType: common, Elem: int, Len: int })],
  [common, struct({ Name: string, Id: int })],
  [19, struct({ CommonType: common, Elem: int })],
  [20, struct({ CommonType: common, Field: fieldList })],
  [21, struct({ Name: string, Id: int })],
  [fieldList, { kind: "slice", element: 21 }],
  [23, struct({ CommonType: common, Key: int, Elem: int })],
  [encoded, struct({ CommonType: common })],
]);

const id = z.int().min(1).max(0x7fff_ffff);
const field = z
  .object({ Name: z.string().min(1), Id: id })
  .transform(({ Name, Id }) => ({ name: Name, type: Id }));
const opaque = z
  .object({})
  .transform((): GobType => ({ kind: "opaque" }))
  .optional();

/** Names and ids inside (`CommonType`) are not looked at: Go itself has the id of another type in some. */
const definition = z.strictObject({
  ArrayT: z
    .object({ Elem: id, Len: z.int().min(0).default(0) })
    .transform(({ Elem, Len }): GobType => ({ kind: "array", element: Elem, length: Len }))
    .optional(),
  SliceT: z
    .object({ Elem: id })
    .transform(({ Elem }): GobType => ({ kind: "slice", element: Elem }))
    .optional(),
  StructT: z
    .object({ Field: z.array(field).default([]) })
    .refine(({ Field }) => new Set(Field.map(({ name }) => name)).size === Field.length)
    .transform(({ Field }): GobType => ({ kind: "struct", fields: Field }))
    .optional(),
  MapT: z
    .object({ Key: id, Elem: id })
    .transform(({ Key, Elem }): GobType => ({ kind: "map", key: Key, element: Elem }))
    .optional(),
  GobEncoderT: opaque,
  BinaryMarshalerT: opaque,
  TextMarshalerT: opaque,
});

/** The type of a decoded definition; undefined when it defines none, or several. */
export function definedType(decoded: unknown): GobType | undefined {
  const parsed = definition.safeParse(decoded);
  const types = parsed.success ? Object.values(parsed.data).filter((type) => type !== undefined) : [];
  return types.length === 1 ? types[0] : undefined;
}
