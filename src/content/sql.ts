import { z } from "zod";
import { codeOf } from "../db/errors.ts";
import { type AnyRow, anyRow, call, type Db, rowOf, rowsOf } from "../db/rows.ts";

const loaded = z.object({
  added: z.number(),
  changed: z.number(),
  removed: z.number(),
  unchanged: z.number(),
  refused: z.number(),
  vanished: z.array(z.string()),
  appeared: z.array(z.string()),
});

/**
 * How many rule × error key contents a load added, changed, removed and left alone, and how many rules and
 * error keys it left out; and the full names of rules that no content has any more, or had before.
 */
export type Loaded = z.infer<typeof loaded>;

/** What a load takes, in JSON: objects with the columns of rule_content, and of refused_content. */
export type Load = { content: string; refused: string; source: string };

/** Takes over the whole content of a source; `accepted`: a person agrees to whatever it changes. */
export const loadContent = (db: Db, { content, refused, source }: Load, accepted: boolean): Promise<Loaded> =>
  rowOf(
    db,
    loaded,
    `select added, changed, removed, unchanged, refused_count as refused, vanished, appeared
     from load_content($1::jsonb, refused => $2::jsonb, source => $3, accepted => $4)`,
    [content, refused, source, accepted],
  );

/** True when load_content refuses what would change too much at once. */
export const isTooMuch = (error: unknown): boolean => ["NTC01", "NTC02"].includes(codeOf(error) ?? "");

/** Notes that such a load was refused, for people who look. */
export const noteHeldLoad = (db: Db, reason: string): Promise<void> =>
  call(db, "select ccx.note_held_load($1)", [reason]);

/** Agrees to the next load that would change too much; returns until when. */
export const acceptContent = async (db: Db): Promise<string> =>
  (await rowOf(db, z.object({ until: z.coerce.string() }), "select accept_content() as until")).until;

/** What the open transaction changed of the content. */
export const contentDiff = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select change, rule_name, error_key, columns, total_risk_before, total_risk from content_diff
     order by rule_name, error_key`,
  );

/** What the open transaction changed of the decisions. */
export const explainDiff = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select target, org_id, cluster, component, error_key, decision_before, decision, reasons_before, reasons
     from explain_diff order by target, org_id, cluster, component, error_key`,
  );

const content = z.object({
  id: z.string(),
  version: z.string(),
  templates: z.record(z.string(), z.string()),
});

/** A content version as it was read: its templates by name. */
export type Content = Readonly<z.infer<typeof content>>;

/** These content versions, by id; one that does not exist is left out. */
export const contentTexts = (db: Db, ids: readonly string[]): Promise<Content[]> =>
  rowsOf(
    db,
    content,
    { name: "content_texts", text: "select id, version, templates from ccx.content_texts($1::bigint[])" },
    [ids],
  );

const contentVersion = content.pick({ id: true, version: true });

/** Which of these content versions exist, and whether each is as it was read (the same `version`). */
export const contentVersions = (db: Db, ids: readonly string[]): Promise<Pick<Content, "id" | "version">[]> =>
  rowsOf(
    db,
    contentVersion,
    { name: "content_versions", text: "select id, version from ccx.content_versions($1::bigint[])" },
    [ids],
  );
