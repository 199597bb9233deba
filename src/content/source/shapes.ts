import { type Document, isScalar, parseDocument, visit } from "yaml";
import { z } from "zod";
import { messageOf } from "../../errors.ts";
import { withLineFeeds } from "../../text/clean.ts";
import { ContentError } from "./error.ts";

/** Text that PostgreSQL can store: YAML escapes can spell a NUL or half a surrogate pair. */
export const text = z
  .string()
  .refine((value) => value.isWellFormed() && !value.includes("\0"), "holds a character that cannot be stored")
  .transform(withLineFeeds);
const filled = text.refine((value) => value.trim() !== "", "must not be empty");
export const oneToFour = z.int().refine((value) => value >= 1 && value <= 4, "must be 1, 2, 3 or 4");

const dateForm = /^(\d{4}-\d\d-\d\d)(?:[ Tt](\d\d:\d\d)(:\d\d)?(?:[.,]\d{1,9})?)? ?(Z|z|[+-]\d\d:?\d\d)?$/;

/**
 * A date, or a date and a time, as ISO 8601 or with a blank between the two → ISO 8601 with `Z`. UTC counts
 * where no offset is, midnight where no time is, and whole seconds only. Empty: none.
 */
const publishDate = z.string().transform((value, context) => {
  if (value.trim() === "") return null;
  const [, day = "", time = "00:00", seconds = ":00", offset = "Z"] = dateForm.exec(value.trim()) ?? [];
  const utc = new Date(`${day}T${time}${seconds}Z`);
  // the round trip refuses what Date would move (30 February)
  if (!Number.isNaN(utc.getTime()) && utc.toISOString() === `${day}T${time}${seconds}.000Z`) {
    const at = new Date(`${day}T${time}${seconds}${offset.toUpperCase()}`);
    if (at.getUTCFullYear() >= 1) return at.toISOString().replace(".000Z", "Z");
  }
  context.addIssue("must be a date, or a time as YYYY-MM-DD HH:MM:SS, with or without an offset");
  return z.NEVER;
});

/**
 * `config.yaml`: the numbers behind the names of impacts. A number out of bounds is a problem of the error
 * keys that use it. So are those behind the names of resolution risks, which only the results API shows.
 */
export const configShape = z.object({
  impact: z.record(z.string(), z.unknown()),
  resolution_risk: z.record(z.string(), z.unknown()).nullish().catch(null),
});

/** `plugin.yaml` of a rule. Decisions use `python_module`; the results API shows the others. */
export const pluginShape = z.object({
  name: filled,
  node_id: z.union([text, z.int()]).nullish(),
  product_code: text.nullish(),
  python_module: z.string().regex(/^[\w-]+(\.[\w-]+)*$/, "must be a dotted module name"),
});
export type Plugin = z.output<typeof pluginShape>;

/**
 * `metadata.yaml` of an error key. YAML reads `42` as a number and `'3'` as a text: both are what they look
 * like. A description may be missing or empty: a message then has the rule and the error key in its place.
 */
export const metadataShape = z.object({
  description: z.preprocess((value) => (Number.isSafeInteger(value) ? String(value) : (value ?? "")), text),
  impact: text,
  likelihood: z.preprocess(
    (value) => (typeof value === "string" && /^[1-4]$/.test(value) ? Number(value) : value),
    oneToFour,
  ),
  publish_date: publishDate.nullish().transform((value) => value ?? null),
  status: z.enum(["active", "inactive"]),
  resolution_risk: text.nullish(),
  tags: z
    .array(filled)
    .nullish()
    .transform((value) => value ?? []),
});
export type Metadata = z.output<typeof metadataShape>;

/** A folder's name as a rule name or an error key: column length, and `|` separates the two in rule ids. */
export const nameShape = z
  .string()
  .max(255, "is longer than 255 characters")
  .regex(/^[^\s|\p{C}]+$/u, "holds a space, a | or an unprintable character");

/**
 * The content of a YAML file in the given shape; unknown members are dropped.
 * Only YAML 1.2 core types: a tag such as `!!binary` is an error, as is anything the parser warns of.
 * Throws ContentError with the line and column, or with the member that is wrong.
 */
export function parseYaml<T>(path: string, source: string, shape: z.ZodType<T>): T {
  let value: unknown;
  try {
    const document = parseDocument(source, { schema: "core", resolveKnownTags: false, uniqueKeys: false });
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem) throw problem;
    requireUniqueKeys(document);
    value = document.toJS(); // refuses a bomb of aliases
  } catch (cause) {
    // below its first paragraph, the parser's message draws the place
    const said = (cause instanceof Error ? cause.message : messageOf(cause)).split("\n\n")[0];
    throw new ContentError(path, `is not valid YAML: ${said?.replace(/:$/, "")}`, { cause });
  }
  return checked(path, value, shape);
}

/** The parser's own check compares every key with every other: 84 s for a file of 1 MiB, against 0.7 s. */
function requireUniqueKeys(document: Document): void {
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<string>();
      for (const { key } of items) {
        if (!isScalar(key)) throw new Error("a key is not a plain text");
        const name = String(key.value);
        if (seen.has(name)) throw new Error(`the key ${name} is there twice`);
        seen.add(name);
      }
    },
  });
}

/** `value` in the given shape. Throws ContentError naming every member that is wrong. */
export function checked<T>(path: string, value: unknown, shape: z.ZodType<T>): T {
  const result = shape.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path: members, message }) => {
    const member = members.map(String).join(".");
    const problem = message.replace(/^Invalid input: .* received undefined$/, "is missing");
    return `${member ? `${member}: ` : ""}${problem}`;
  });
  throw new ContentError(path, problems, { cause: result.error });
}
