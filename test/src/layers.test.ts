import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

const root = path.join(import.meta.dirname, "../..");

const rooms = [
  ...["ingest", "decide", "deliver", "content", "retain", "ops", "adopt", "survey"],
  ...["results", "upload", "analyze", "console"],
];

/** From the lowest floor to the highest. A file may import from lower floors and from its own part only. */
const floors: string[][] = [
  ["src/errors.ts", "src/log.ts", "src/text/", "src/version.ts"],
  ["src/trace/"],
  ["src/http/"],
  ["src/config/"],
  ["src/db/", "src/kafka/"],
  ["src/objects/", "src/cell/", "src/fleet/"],
  ["src/metrics/"], // below the rooms, which count in it
  rooms.map((room) => `src/${room}/`),
  ["src/worker/"],
  ["tasks/"],
  ["src/run"], // run.ts, the plan, and its parts
  ["src/cli", "src/compat/"], // also cli.ts, its table of contents
  ["dev/"],
];

/**
 * Between parts of one floor: notifications are made of the texts of rule content, `ccx config` prints what a
 * configuration of the incumbent says.
 */
const neighbours = new Set(["src/deliver/ src/content/", "src/cli src/compat/"]);

/** Which files each file imports, types included; all paths are relative to the root. */
type Imports = ReadonlyMap<string, readonly string[]>;

const importPatterns = [
  /^(?:import|export)\b[^;"]*\bfrom "(\.[^"]+)"/gm,
  /\bimport\(\s*"(\.[^"]+)"/g,
  /^import "(\.[^"]+)"/gm,
  /\bnew URL\(\s*"([^"]+\.[jt]s)", import\.meta\.url/g, // a thread, or a file that is read as code
];

function importsOf(file: string, text: string): string[] {
  return importPatterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map(([, to = ""]) => path.posix.join(path.posix.dirname(file), to)),
  );
}

async function readImports(): Promise<Imports> {
  const files = await Array.fromAsync(glob("{src,tasks,dev}/**/*.{ts,js}", { cwd: root }));
  const own = files.filter((file) => !file.includes("node_modules"));
  const read = async (file: string) =>
    [file, importsOf(file, await readFile(path.join(root, file), "utf8"))] as const;
  return new Map(await Promise.all(own.sort().map(read)));
}

function placeOf(file: string): { floor: number; part: string } | undefined {
  for (const [floor, parts] of floors.entries()) {
    const part = parts.find((start) => file.startsWith(start));
    if (part !== undefined) return { floor, part };
  }
  return undefined;
}

/** A sentence for every import that goes up, to another part of the same floor, or to what has no floor. */
function offences(imports: Imports): string[] {
  const found: string[] = [];
  for (const [from, targets] of imports) {
    const here = placeOf(from);
    if (!here) found.push(`${from} has no floor: add its folder to test/src/layers.test.ts`);
    for (const to of targets.filter((target) => !target.endsWith(".json"))) {
      const there = placeOf(to);
      if (!here || (there && there.floor < here.floor)) continue;
      if (there && (there.part === here.part || neighbours.has(`${here.part} ${there.part}`))) continue;
      const why = !there ? "has no floor" : there.floor > here.floor ? "is higher" : "is its neighbour";
      found.push(`${from} imports ${to}, which ${why}`);
    }
  }
  return found;
}

/** The files of a circle of imports, the first one again at the end; undefined when there is none. */
function circleIn(imports: Imports): string[] | undefined {
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file)) return undefined;
    way.push(file);
    for (const to of imports.get(file) ?? []) {
      const circle = visit(to);
      if (circle) return circle;
    }
    way.pop();
    done.add(file);
    return undefined;
  };
  for (const file of imports.keys()) {
    const circle = visit(file);
    if (circle) return circle;
  }
  return undefined;
}

test("no file imports from a higher floor, or from another room", async () => {
  assert.deepEqual(offences(await readImports()), []);
});

test("a command loads what only the service needs when it runs, not when ccx starts", async () => {
  const imports = /^(?:import|export)\b(?! type)[^;"]*\bfrom "([^"]+)"/gm;
  const loaded = new Set(["src/cli.ts"]);
  for (const file of loaded)
    for (const [, to = ""] of (await readFile(path.join(root, file), "utf8").catch(() => "")).matchAll(
      imports,
    ))
      loaded.add(to.startsWith(".") ? path.posix.join(path.posix.dirname(file), to) : to);
  const heavy = /^(?:kafkajs|undici|fastify|graphile-|quickjs-|yaml$|@opentelemetry\/|@aws-sdk\/)/;
  assert.deepEqual(
    [...loaded].filter((name) => heavy.test(name)),
    [],
  );
  assert.ok(loaded.has("pg") && loaded.has("commander"), [...loaded].join(" "));
});

test("no imports go in a circle, not even those of types", async () => {
  const circle = circleIn(await readImports());
  assert.equal(circle, undefined, circle?.join(" → "));
});

test("every import that was found leads to a file, and most files have some", async () => {
  const imports = await readImports();
  const missing = [...imports].flatMap(([from, targets]) =>
    targets.filter((to) => !existsSync(path.join(root, to))).map((to) => `${from} imports ${to}`),
  );
  assert.deepEqual(missing, []);
  const withSome = [...imports.values()].filter(({ length }) => length > 0);
  assert.ok(withSome.length > imports.size / 2, `${withSome.length} of ${imports.size}`);
});

test("both files of an import that should not be are named", () => {
  const imports = (from: string, ...to: string[]) => offences(new Map([[from, to]]));
  assert.deepEqual(imports("src/deliver/a.ts", "src/content/b.ts", "src/deliver/c.ts", "src/errors.ts"), []);
  assert.deepEqual(imports("src/content/b.ts", "src/deliver/a.ts"), [
    "src/content/b.ts imports src/deliver/a.ts, which is its neighbour",
  ]);
  assert.deepEqual(imports("src/db/pool.ts", "src/ingest/a.ts", "dev/start.ts", "test/support/until.ts"), [
    "src/db/pool.ts imports src/ingest/a.ts, which is higher",
    "src/db/pool.ts imports dev/start.ts, which is higher",
    "src/db/pool.ts imports test/support/until.ts, which has no floor",
  ]);
  assert.equal(imports("src/new/a.ts").length, 1);
});

test("a circle is found, whatever form its imports have", () => {
  const forms = [
    'import type { A } from "./b.ts";',
    'import {\n  type A,\n  b,\n} from "./b.ts";',
    'export { a } from "./b.ts";',
    'import "./b.ts";',
    'const { b } = await import("../dev/b.ts");',
    'new Worker(new URL("./b.ts", import.meta.url));',
  ];
  for (const form of forms) {
    const imports = new Map([
      ["dev/a.ts", importsOf("dev/a.ts", form)],
      ["dev/b.ts", ["dev/c.ts", "dev/a.ts"]],
    ]);
    assert.deepEqual(circleIn(imports), ["dev/a.ts", "dev/b.ts", "dev/a.ts"], form);
  }
  assert.equal(
    circleIn(
      new Map([
        ["a", ["b", "c"]],
        ["b", ["c"]],
        ["c", []],
      ]),
    ),
    undefined,
  );
});
