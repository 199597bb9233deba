import type { Logger } from "../log.ts";
import { type Program, programs } from "./keys.ts";
import type { Given } from "./sources.ts";

/** What each section is called in the log. */
const titles: Record<string, string> = {
  broker: "Broker configuration",
  kafka_broker: "Broker configuration",
  service_log: "ServiceLog configuration",
  storage: "Storage configuration",
  aggregator_storage: "Aggregator storage configuration",
  logging: "Logging configuration",
  sentry: "Sentry configuration",
  cloudwatch: "CloudWatch configuration",
  dependencies: "Dependencies configuration",
  notifications: "Notifications configuration",
  metrics: "Metrics configuration",
  cleaner: "Cleaner configuration",
  processing: "Processing configuration",
  tracker: "Tracker configuration",
  server: "Server configuration",
  storage_backend: "Storage backend configuration",
  ocp_recommendations_storage: "OCP Recommendations Storage configuration",
  dvo_recommendations_storage: "DVO Recommendations Storage configuration",
  redis: "Redis configuration",
};

/** Logs the configuration in force, section by section; secrets only as whether there is one. */
export function logConfiguration(program: Program, given: Given, log: Logger): void {
  const sections = new Map<string, Record<string, string>>();
  for (const { name, secret } of programs[program].keys) {
    const [section = "", key = ""] = name.split(".");
    const text = given.values.get(name)?.text ?? "";
    const shown = secret && text !== "" ? "***" : text;
    sections.set(section, { ...sections.get(section), [key]: shown });
  }
  for (const [section, values] of sections) log.info(values, titles[section] ?? section);
}
