import { ConfigurationError } from "../errors.ts";

const lists = new Set(["required_tags", "allowed_clusters", "blocked_clusters"]);

/**
 * A change of a policy from `name=value` arguments. Lists are separated by commas, a comma alone is an empty
 * one; an empty value is null (of lists that are never null: an empty one). What a value may be, the database
 * says.
 */
export function parseSettings(texts: string[]): Record<string, unknown> {
  return Object.fromEntries(texts.map(parseSetting));
}

function parseSetting(text: string): [string, unknown] {
  const [, name, value] = /^([a-z_]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new ConfigurationError(`"${text}" is not of the form setting=value.`);
  }
  if (!lists.has(name)) return [name, value === "" ? null : value];
  if (value === "" && name === "allowed_clusters") return [name, null];
  const elements = value.split(",").map((element) => element.trim());
  return [name, elements.filter(Boolean)];
}
