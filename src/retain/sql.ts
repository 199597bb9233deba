import { z } from "zod";
import { type Db, rowsOf } from "../db/rows.ts";

const step = z.object({
  action: z.enum(["detached", "dropped", "deleted"]),
  name: z.string(),
  row_count: z.coerce.number().nullable(),
  bytes: z.coerce.number().nullable(),
});

/**
 * One step of retention: `row_count` of a table is what its last analyze says, `bytes` is null for deleted
 * rows.
 */
export type RetainStep = z.infer<typeof step>;

/**
 * Takes the next step of retention; undefined when there is none. Rejects with SQLSTATE 55P03 when a table is
 * too busy to take a day out of it.
 */
export const retain = async (db: Db): Promise<RetainStep | undefined> =>
  (await rowsOf(db, step, "select action, name, row_count, bytes from retain()"))[0];
