import { z } from "zod";

/**
 * What the runner (runner.py) answers, and what of it goes into a result. Rules may print anything; what is
 * not of this form is not believed.
 */

const component = z.string().regex(/^([a-zA-Z0-9_]+\.)+[a-zA-Z0-9_]+$/);
const key = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[A-Za-z0-9_]+$/);
const words = z.array(z.string());
const object = z.record(z.string(), z.unknown());

const hit = z.strictObject({
  rule_id: z.string(),
  component,
  type: z.literal("rule"),
  key,
  details: object,
  tags: words,
  links: object,
});

const report = z.looseObject({
  reports: z.array(hit),
  info: z.array(object).optional(),
  pass: z.array(object).optional(),
  version: z.number().int().min(0).max(255).optional(),
});

const failure = z.strictObject({ component, reason: z.enum(["raised", "timed_out"]), detail: z.string() });

export const ready = z.union([
  z.strictObject({ ready: z.number().int(), version: z.string() }),
  z.strictObject({ refused: z.string() }),
]);

export const answer = z.union([
  z.strictObject({
    ...{ id: z.string(), report, failures: z.array(failure), rules: z.int().min(0), memory: z.number() },
  }),
  z.strictObject({ id: z.string(), error: z.string(), memory: z.number() }),
]);

export type Answer = z.infer<typeof answer>;
