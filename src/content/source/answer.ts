import { z } from "zod";
import { withLineFeeds } from "../../text/clean.ts";
import { ContentError } from "./error.ts";
import { maxFileBytes } from "./files.ts";
import { Problems, type Refused } from "./problems.ts";
import { type SourceContent, withoutRefused } from "./refused.ts";
import {
  byName,
  checkModule,
  errorKeyContent,
  type Impacts,
  impactNamed,
  type Rule,
  type RuleContent,
  resolutionRiskOf,
  type Texts,
  textNames,
} from "./rule_content.ts";
import { checked, configShape, metadataShape, nameShape, oneToFour, pluginShape, text } from "./shapes.ts";

/**
 * What a content service answers, decoded: `Config` and `Rules` of the type RuleContentDirectory. Gob calls
 * members as Go does (`PythonModule`), JSON as the files do (`python_module`), both are read. Gob leaves out
 * what is empty.
 */
const struct = <Shape extends z.ZodRawShape>(shape: Shape) => z.preprocess(inSnakeCase, z.object(shape));
const named = z.custom<Record<string, unknown>>(isObject, "has to be an object").nullish();

const texts = Object.fromEntries(textNames.map((name) => [name, text.nullish()]));
const answerShape = struct({ config: struct(configShape.shape), rules: named });
const ruleShape = struct({ plugin: z.unknown(), error_keys: named });
const moduleShape = struct({ plugin: struct(pluginShape.shape) });
const errorKeyShape = struct({
  metadata: struct({
    ...metadataShape.shape,
    impact: struct({ name: text.default(""), impact: z.number().default(0) }),
    resolution_risk: z.unknown().optional(), // its number, where the file has its name
  }),
});
const textsShape = struct(texts);

/**
 * The same as `readContent` has from the folder that the service has read, by the same rules: what conforms,
 * and what does not, with all its problems, which name the rule and the error key. Throws ContentError for an
 * answer without config or rules.
 */
export function readAnswer(answer: unknown): SourceContent {
  const { config, rules } = checked("the answer", answer, answerShape);
  const impacts = new Map(Object.entries(config.impact));
  const read = Object.entries(rules ?? {})
    .sort(byName)
    .map(([name, rule]) => readRule(name, rule, impacts));
  if (read.length === 0) throw new ContentError("the answer", "holds no rule");
  return withoutRefused({
    content: read.flatMap(({ content }) => content),
    refused: read.flatMap(({ refused }) => refused),
  });
}

function readRule(name: string, answer: unknown, impacts: Impacts): SourceContent {
  const path = `rule ${name}`;
  const problems = new Problems();
  problems.try(() => checked(path, name, nameShape));
  const members = problems.try(() => checked(path, answer, ruleShape));
  const plugin = problems.try(() => checked(path, answer, moduleShape))?.plugin;
  const ruleTexts = members ? textsOf(path, answer, problems) : {};
  const rule = { name, pythonModule: plugin?.python_module ?? "", plugin, texts: ruleTexts };
  if (plugin) problems.try(() => checkModule(rule, path));

  const errorKeys = Object.entries(members?.error_keys ?? {}).sort(byName);
  if (members && errorKeys.length === 0) problems.add(path, "is a rule without error keys");
  const content: RuleContent[] = [];
  const refused: Refused[] = [];
  for (const [key, value] of errorKeys) {
    const ofKey = new Problems();
    const errorKey = { name: key, path: `${path}, error key ${key}` };
    const entry = readErrorKey(rule, errorKey, value, ruleTexts, impacts, ofKey);
    if (entry) content.push(entry);
    else refused.push(ofKey.refusing(name, key));
  }
  if (problems.none) return { content, refused };
  return { content: [], refused: [...refused, problems.refusing(name)] };
}

function readErrorKey(
  rule: Rule,
  errorKey: { name: string; path: string },
  answer: unknown,
  ruleTexts: Texts,
  impacts: Impacts,
  problems: Problems,
): RuleContent | undefined {
  const { name, path } = errorKey;
  problems.try(() => checked(path, name, nameShape));
  const metadata = problems.try(() => checked(path, answer, errorKeyShape))?.metadata;
  const impact =
    metadata &&
    problems.try(() => ({
      name: metadata.impact.name,
      number: impactOf(metadata.impact, impacts, path),
      resolutionRisk: resolutionRiskOf(metadata.resolution_risk),
    }));
  const own = isObject(answer) ? textsOf(path, answer, problems) : {};
  return errorKeyContent(rule, errorKey, metadata, impact, { ...ruleTexts, ...own }, problems);
}

/**
 * A service has looked the name up already. The number counts where config does not know the name (any
 * more); the service makes 0 of a name that it does not know, and that is no impact.
 */
function impactOf(
  { name, impact }: { name: string; impact: number },
  impacts: Impacts,
  path: string,
): number {
  if (!impacts.has(name) && oneToFour.safeParse(impact).success) return impact;
  const known = impactNamed(name, impacts, path);
  if (known !== impact)
    throw new ContentError(path, `impact "${name}" is ${impact} here, and ${known} in config.yaml`);
  return known;
}

/** The texts there are. An empty one does not count: in gob it is the same as none. */
function textsOf(path: string, answer: unknown, problems: Problems): Texts {
  const found: Texts = {};
  problems.try(() => checked(path, answer, textsShape));
  for (const [member, value] of Object.entries(inSnakeCase(answer) as object)) {
    const name = textNames.find((known) => known === member);
    if (name === undefined || value === "" || value === null || value === undefined) continue;
    const textPath = `${path}, ${name}`;
    const isText = typeof value === "string";
    if (isText && Buffer.byteLength(value) > maxFileBytes) problems.add(textPath, "is over 1 MiB");
    found[name] = { path: textPath, text: isText ? withLineFeeds(value.replace(/^\uFEFF/, "")) : undefined };
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
