import { Counter, type Registry } from "prom-client";

/** What a counter of an incumbent counts, and where its value comes from. */
export type CountedAs = Readonly<Record<string, { help: string; count: () => number }>>;

/** The name of a metric below an incumbent's namespace. */
export const nameBelow = (namespace: string, name: string): string =>
  namespace === "" ? name : `${namespace}_${name}`;

/** Puts an incumbent's counters beside ours, under its namespace; they are worked out when somebody asks. */
export function addCounters(registry: Registry, namespace: string, counters: CountedAs): void {
  for (const [name, { help, count }] of Object.entries(counters)) {
    const fullName = nameBelow(namespace, name);
    if (registry.getSingleMetric(fullName)) continue;
    new Counter({
      name: fullName,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(count());
      },
    });
  }
}
