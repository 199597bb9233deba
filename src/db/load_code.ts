import { setTimeout as sleep } from "node:timers/promises";
import type { ClientBase } from "pg";
import type { Logger } from "pino";
import { ConfigurationError, messageOf } from "../errors.ts";
import { release } from "../version.ts";
import {
  type CatalogObject,
  dependentsOf,
  type Grant,
  grantsOf,
  type LoadedObject,
  loadedObjects,
  objectsNamed,
} from "./code_catalog.ts";
import { type CodeObject, readCode } from "./code_files.ts";
import { codeOf, troubleOf } from "./errors.ts";
import { backoffMs } from "./wait.ts";

/** How long a statement waits for a lock before everything is rolled back and tried again. */
const usualLockTimeout = "3s";
const tries = 20;

/** SQLSTATEs with which PostgreSQL says that it cannot replace an object in place. */
const irreplaceable = new Set([
  "42P13", // other result, or other names of arguments
  "42P16", // other columns of a view
  "42710", // a type or a constraint trigger is there
  "42809", // what was a view is a function now, and the like
]);

const undefinedColumn = "42703";

export type Loaded = { loaded: string[]; dropped: string[] };

const nothing: Loaded = { loaded: [], dropped: [] };

/**
 * Brings functions, views, types, triggers and comments of the database in step with sql/, in one
 * transaction: what differs is replaced in place, so that sessions that use it go on. Only what PostgreSQL
 * cannot replace is dropped, with those of our objects that depend on it, and created again with the same
 * grants; then what sql/ no longer has goes. Where nothing differs, nothing is executed and no lock is taken.
 *
 * Returns the names of what was created or replaced, and of what was dropped for good.
 * @throws ConfigurationError when an object of somebody else depends on one that has to be dropped, or when
 *   locks could not be had for minutes; Error with the file's name when a file cannot be loaded. Nothing has
 *   changed then.
 */
export async function loadCode(
  client: ClientBase,
  log: Logger,
  objects?: readonly CodeObject[],
  lockTimeout = usualLockTimeout,
): Promise<Loaded> {
  const code = objects ?? (await readCode());
  for (let attempt = 1; ; attempt++) {
    if (isInStep(code, await loadedObjects(client))) return nothing;
    try {
      return await loadOnce(client, code, lockTimeout);
    } catch (error) {
      if (troubleOf(error) !== "in_the_way") throw error;
      if (attempt === tries)
        throw new ConfigurationError(
          `Other sessions hold locks that the release needs: end them, or try again later. ` +
            `(${messageOf(error)})`,
          { cause: error },
        );
      const waitMs = backoffMs(attempt);
      log.info({ error: messageOf(error), waitMs }, "the database is busy, loading is tried again");
      await sleep(waitMs);
    }
  }
}

/** True when the database has just what sql/ has. */
export function isInStep(code: readonly CodeObject[], loaded: readonly LoadedObject[]): boolean {
  const hashes = new Map(loaded.map((object) => [object.name, object.exists ? object.hash : ""]));
  return code.length === loaded.length && code.every(({ name, hash }) => hashes.get(name) === hash);
}

async function loadOnce(
  client: ClientBase,
  code: readonly CodeObject[],
  lockTimeout: string,
): Promise<Loaded> {
  await client.query("begin");
  try {
    await client.query(`set local lock_timeout = '${lockTimeout}'`);
    await client.query("set local search_path = public, ccx");
    await client.query("set local check_function_bodies = on");
    await client.query("lock table ccx.code_object in share row exclusive mode");
    const before = await loadedObjects(client);
    // another one may have loaded the same meanwhile
    const result = isInStep(code, before) ? nothing : await new Load(client, code, before).run();
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
}

/** One attempt, inside its transaction. */
class Load {
  readonly #client: ClientBase;
  readonly #code: readonly CodeObject[];
  readonly #before: ReadonlyMap<string, LoadedObject>;
  /**
   * names of what has to be created or replaced; files come after what they depend on, so one pass is enough
   */
  readonly #wanted: Set<string>;
  /** name → identity of what is there */
  readonly #identities = new Map<string, string>();
  /** of what was dropped, for when it is there again */
  readonly #grants = new Map<string, Grant[]>();
  readonly #loaded = new Set<string>();
  readonly #dropped = new Set<string>();

  constructor(client: ClientBase, code: readonly CodeObject[], before: readonly LoadedObject[]) {
    this.#client = client;
    this.#code = code;
    this.#before = new Map(before.map((object) => [object.name, object]));
    for (const { name, identity, exists } of before) if (exists) this.#identities.set(name, identity);
    const same = ({ name, hash }: CodeObject) =>
      this.#before.get(name)?.hash === hash && this.#identities.has(name);
    this.#wanted = new Set(code.filter((object) => !same(object)).map(({ name }) => name));
  }

  async run(): Promise<Loaded> {
    await this.#createChanged();
    await this.#dropRemoved();
    await this.#createChanged(); // what went with what was removed
    await this.#record();
    return { loaded: [...this.#loaded], dropped: [...this.#dropped] };
  }

  async #createChanged(): Promise<void> {
    for (const object of this.#code) {
      if (!this.#wanted.has(object.name)) continue;
      try {
        await this.#create(object);
      } catch (error) {
        if (error instanceof ConfigurationError || troubleOf(error) === "in_the_way") throw error;
        throw new Error(`sql/${object.file}: ${messageOf(error)}`, { cause: error });
      }
      this.#wanted.delete(object.name);
      this.#loaded.add(object.name);
    }
  }

  async #dropRemoved(): Promise<void> {
    const kept = new Set(this.#code.map(({ name }) => name));
    const removed = [...this.#before.keys()].filter((name) => !kept.has(name)).reverse();
    for (const name of removed) {
      this.#dropped.add(name);
      if (this.#identities.has(name)) await this.#drop(name);
    }
  }

  /** Writes down what the database has now. */
  async #record(): Promise<void> {
    const rows = this.#code.map(({ name, file, hash }, position) => ({
      name,
      identity: this.#identities.get(name),
      file,
      hash,
      position,
    }));
    await this.#client.query("delete from ccx.code_object");
    await this.#client.query(
      `insert into ccx.code_object (name, identity, file, hash, position)
       select name, identity, file, hash, position
       from jsonb_to_recordset($1) as o (name text, identity text, file text, hash text, position integer)`,
      [JSON.stringify(rows)],
    );
    await this.#client.query("insert into ccx.code_load (release, loaded, dropped) values ($1, $2, $3)", [
      release,
      this.#loaded.size,
      this.#dropped.size,
    ]);
  }

  async #create({ kind, name, sql }: CodeObject): Promise<void> {
    const before = await objectsNamed(this.#client, name);
    await this.#client.query("savepoint before_object");
    try {
      await this.#client.query(sql);
    } catch (error) {
      if (!irreplaceable.has(codeOf(error) ?? "") || !this.#identities.has(name)) throw error;
      await this.#client.query("rollback to savepoint before_object");
      await this.#drop(name);
      await this.#client.query(sql);
    }
    await this.#client.query("release savepoint before_object");
    if (kind === "comments" || kind === "trigger") this.#identities.set(name, name);
    else await this.#settle(name, new Set(before.map(({ version }) => version)));
  }

  /**
   * Other arguments make another function beside the old one: the old one goes. Grants that were on it come
   * back.
   */
  async #settle(name: string, before: ReadonlySet<string>): Promise<void> {
    const after = await objectsNamed(this.#client, name);
    // somebody else may have functions of this name, with other arguments: ours is the one that is new
    const created = after.find(({ version }) => !before.has(version)) ?? after[0];
    if (!created) throw new Error(`${name} was not created`);
    const old = this.#identities.get(name);
    if (old !== undefined && old !== created.identity) await this.#drop(name);
    this.#identities.set(name, created.identity);
    for (const grant of this.#grants.get(name) ?? []) {
      await this.#client.query("savepoint before_grant");
      try {
        await this.#client.query(grant(created.identity));
      } catch (error) {
        if (codeOf(error) !== undefinedColumn) throw error;
        await this.#client.query("rollback to savepoint before_grant");
      }
    }
    this.#grants.delete(name);
  }

  /**
   * Drops an object, and first those of ours that depend on it; those are wanted again.
   * @throws ConfigurationError when something else depends on it
   */
  async #drop(name: string): Promise<void> {
    for (const dependent of await this.#dependentsOf(name))
      if (this.#identities.has(dependent)) await this.#drop(dependent);
    await this.#dropOne(name);
  }

  async #dependentsOf(name: string): Promise<string[]> {
    const object = await this.#find(name);
    if (!object) return [];
    const ours = new Map([...this.#identities].map(([its, identity]) => [identity, its]));
    const names: string[] = [];
    for (const { type, identity } of await dependentsOf(this.#client, object)) {
      const its = ours.get(
        type === "trigger" ? `trigger ${identity.replace(" on public.", " on ")}` : identity,
      );
      if (its === undefined)
        throw new ConfigurationError(
          `The release has to change ${name}, but ${type} ${identity} depends on it and is not part of ` +
            `ccx-notifications: drop it, run \`ccx migrate\`, and create it again.`,
        );
      names.push(its);
    }
    return names;
  }

  /** The object as the database has it; undefined for triggers, on which nothing depends. */
  async #find(name: string): Promise<CatalogObject | undefined> {
    const found = await objectsNamed(this.#client, name);
    return found.find(({ identity }) => identity === this.#identities.get(name));
  }

  async #dropOne(name: string): Promise<void> {
    const object = await this.#find(name);
    if (object) {
      this.#grants.set(name, await grantsOf(this.#client, object));
      await this.#client.query(`drop ${name.split(" ")[0]} ${object.identity}`);
    } else if (name.startsWith("trigger ")) await this.#client.query(`drop ${triggerIfExists(name)}`);
    this.#identities.delete(name);
    if (this.#code.some((it) => it.name === name)) this.#wanted.add(name);
  }
}

/** `trigger t on x` as `drop` takes it, where it may be gone with its table. */
function triggerIfExists(name: string): string {
  return name.replace("trigger ", "trigger if exists ");
}
