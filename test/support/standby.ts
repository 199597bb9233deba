import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startGuard } from "../../dev/stack/guard.ts";
import { startPostgres, startStandby } from "../../dev/stack/postgres/postgres.ts";

/** A primary and a streaming standby of it, both gone with `owned`. */
export async function startPair(owned: AsyncDisposableStack) {
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-standby-"));
  owned.defer(() => rm(folder, { recursive: true, force: true }));
  const guard = startGuard();
  owned.defer(() => guard.end());
  guard.addFolder(folder);
  const [first, second] = ["primary", "standby"].map((name) => path.join(folder, name)) as [string, string];
  await Promise.all([first, second].map((name) => mkdir(name, { mode: 0o711 })));
  await chmod(folder, 0o711); // PostgreSQL may run as another user
  const primary = await startPostgres(first, guard);
  return { primary, standby: await startStandby(second, primary, guard) };
}
