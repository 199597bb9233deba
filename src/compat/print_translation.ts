import { ConfigurationError } from "../errors.ts";
import { type IncumbentKey, type Program, programs, variableOf } from "./keys.ts";
import { type Given, readIncumbent, readIncumbentFile } from "./sources.ts";
import { policyOf, type Target, targetsOf, textOf, translate } from "./translate.ts";

/** Which of the programs a file is for: by its sections. */
function programOf(file: string): Program {
  const sections = new Set([...readIncumbentFile(file).keys()].map((name) => name.split(".")[0]));
  if (["server", "storage_backend", "ocp_recommendations_storage"].some((name) => sections.has(name)))
    return "aggregator";
  if (
    ["kafka_broker", "service_log", "dependencies", "processing", "cleaner"].some((name) =>
      sections.has(name),
    )
  )
    return "service";
  if (["broker", "tracker"].some((name) => sections.has(name))) return "writer";
  throw new ConfigurationError(
    `${file} has no section of ccx-notification-service (kafka_broker, service_log, dependencies) or ` +
      `ccx-notification-writer (broker, tracker) or insights-results-aggregator (server, storage_backend).`,
  );
}

/**
 * What a configuration file of an incumbent says in our words, as lines: variables, the policy as commands,
 * and in comments what has no place here, with the reason. Secrets are left out; the environment does not
 * count. Throws ConfigurationError when the file cannot be read or says what cannot be said.
 */
export function translation(file: string): string[] {
  const program = programOf(file);
  const { name, prefix, keys } = programs[program];
  const given = readIncumbent(program, { [`${prefix}_CONFIG_FILE`]: file });
  return [
    `# ${file}, as ${name} reads it`,
    ...variables(program, given),
    ...(program === "service" ? policies(given) : []),
    ...notTaken(keys, given),
  ];
}

const secrets = new Set(["CCX_KAFKA_SASL_PASSWORD", "CCX_SERVICE_LOG_CLIENT_SECRET"]);

function variables(program: Program, given: Given): string[] {
  return [...translate(program, given)].flatMap(([key, { value, origin }]) => {
    const from = origin === "default" ? "  # their default" : "";
    if (key === "DATABASE_URL") return [`${key}=${value.replace(/:[^:@/]*@/, ":***@")}${from}`];
    return [`${key}=${secrets.has(key) ? "***" : quoted(value)}${from}`];
  });
}

/** A value as a dotenv file has it: `#` begins a comment there, and nothing is escaped between quotes. */
function quoted(value: string): string {
  if (!/[#"'`\s]/.test(value)) return value;
  const quote = ["'", "`", '"'].find((one) => !value.includes(one)) ?? "'";
  return `${quote}${value}${quote}`;
}

function policies(given: Given): string[] {
  const targets: Target[] = targetsOf(given);
  return [
    "# the policy, which is in the database:",
    ...targets.flatMap((target) => {
      const settings = Object.entries(policyOf(given, target)).map(([name, value]) =>
        shellWord(`${name}=${asSetting(name, value)}`),
      );
      return [
        `# ccx policy set --target ${shellWord(target)} --reason 'from ccx-notification-service' ` +
          `${settings.join(" ")}`,
      ];
    }),
  ];
}

/** A list of no clusters is a comma: nothing at all is no list, which lets every cluster through. */
function asSetting(name: string, value: unknown): string {
  if (value === null) return "";
  if (!Array.isArray(value)) return String(value);
  return value.length === 0 && name === "allowed_clusters" ? "," : value.join(",");
}
const shellWord = (text: string): string =>
  /^[\w=.,:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** Keys that the file has and that become nothing of ours. */
function notTaken(keys: readonly IncumbentKey[], given: Given): string[] {
  return keys.flatMap(({ name, becomes }) => {
    if (given.values.get(name)?.origin !== "file" || textOf(given, name) === "") return [];
    if ("none" in becomes) return [`# ${name}: not taken, ${becomes.none}`];
    if ("command" in becomes) return [`# ${name}: only for the command with their name: ${becomes.command}`];
    return [];
  });
}

/** The whole table, one row for each key of theirs: its variable, and what it becomes. */
export function allKeys(program: Program): { name: string; variable: string; becomes: string }[] {
  return programs[program].keys.map(({ name, becomes }) => ({
    name,
    variable: variableOf(program, name),
    becomes:
      "ours" in becomes
        ? `\`${becomes.ours}\``
        : "policy" in becomes
          ? `policy setting \`${becomes.policy}\``
          : "command" in becomes
            ? `the command: ${becomes.command}`
            : `nothing: ${becomes.none}`,
  }));
}
