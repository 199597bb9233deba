import { z } from "zod";
import { withLineFeeds } from "../../text/clean.ts";
import { ContentError } from "./error.ts";
import { maxFileBytes } from "./files.ts";
import {
  byName,
  checkModule,
  errorKeyContent,
  type RuleContent,
  type Texts,
  textNames,
} from "./rule_content.ts";
import { checked, configShape, metadataShape, nameShape, pluginShape, text } from "./shapes.ts";

/**
 * What a content service answers, decoded: `Config` and `Rules` of the type RuleContentDirectory. Gob calls
 * members as Go does (`PythonModule`), JSON as the files do (`python_module`), both are read. Gob leaves out
 * what is empty.
 */
const struct = <Shape extends z.ZodRawShape>(shape: Shape) => z.preprocess(inSnakeCase, z.object(shape));
const named = z.custom<Record<string, unknown>>(isObject, "has to be an object").nullish();

const texts = Object.fromEntries(textNames.map((name) => [name, text.nullish()]));
const answerShape = struct({ config: struct(configShape.shape), rules: named });
const ruleShape = struct({ plugin: struct(pluginShape.shape), error_keys: named, ...texts });
const errorKeyShape = struct({
  metadata: struct({
    ...metadataShape.shape,
    impact: struct({ name: text.default(""), impact: z.number().default(0) }),
    resolution_risk: z.unknown().optional(), // its number, where the file has its name
    publish_date: z.preprocess((date) => date || null, metadataShape.shape.publish_date),
  }),
  ...texts,
});

/**
 * The same content as `readContent` has from the folder that the service has read: one entry per rule and
 * error key, sorted by both, by the same rules. All or nothing: the first thing wrong throws a ContentError,
 * which names the rule and the error key.
 */
export function readAnswer(answer: unknown): RuleContent[] {
  const { config, rules } = checked("the answer", answer, answerShape);
  const impacts = new Map(Object.entries(config.impact));
  const content = Object.entries(rules ?? {})
    .sort(byName)
    .flatMap(([name, rule]) => readRule(name, rule, impacts));
  if (content.length === 0) throw new ContentError("the answer", "holds no rule");
  return content;
}

function readRule(name: string, answer: unknown, impacts: ReadonlyMap<string, number>): RuleContent[] {
  const path = `rule ${name}`;
  checked(path, name, nameShape);
  const { plugin, error_keys: errorKeys, ...own } = checked(path, answer, ruleShape);
  const rule = { name, pythonModule: plugin.python_module };
  checkModule(rule, path);
  const ruleTexts = textsOf(path, own);
  const content = Object.entries(errorKeys ?? {})
    .sort(byName)
    .map(([key, value]) => {
      const keyPath = `${path}, error key ${key}`;
      checked(keyPath, key, nameShape);
      const { metadata, ...keyOwn } = checked(keyPath, value, errorKeyShape);
      const merged = { ...ruleTexts, ...textsOf(keyPath, keyOwn) };
      const errorKey = { name: key, path: keyPath, metadataPath: keyPath };
      const { impact, ...rest } = metadata;
      const entry = errorKeyContent(rule, errorKey, { ...rest, impact: impact.name }, impacts, merged);
      if (entry.impact !== impact.impact) {
        const problem = `impact "${impact.name}" is ${impact.impact} here, and ${entry.impact} in config.yaml`;
        throw new ContentError(keyPath, problem);
      }
      return entry;
    });
  if (content.length === 0) throw new ContentError(path, "is a rule without error keys");
  return content;
}

/** The texts there are. An empty one does not count: in gob it is the same as none. */
function textsOf(path: string, members: Record<string, unknown>): Texts {
  const found: Texts = {};
  for (const name of textNames) {
    const value = members[name];
    if (typeof value !== "string" || value === "") continue;
    const textPath = `${path}, ${name}`;
    if (Buffer.byteLength(value) > maxFileBytes) throw new ContentError(textPath, "is over 1 MiB");
    found[name] = { path: textPath, text: withLineFeeds(value.replace(/^\uFEFF/, "")) };
  }
  return found;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `PythonModule` → `python_module`, `NodeID` → `node_id`; one level deep. */
function inSnakeCase(value: unknown): unknown {
  if (!isObject(value)) return value;
  const members = Object.entries(value as object);
  return Object.fromEntries(
    members.map(([name, member]) => [name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase(), member]),
  );
}
