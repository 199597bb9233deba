import assert from "node:assert/strict";
import { startRegistryService } from "../support/registry_service.ts";
import { aCluster } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

scenario(
  "a worker keeps the registry of clusters as the URL has it, whatever the URL answers in between",
  {},
  async (scene) => {
    await using inventory = await startRegistryService();
    const [one, two] = [aCluster(), aCluster()];
    const service = scene.start("work", {
      env: {
        CCX_REGISTRY_URL: inventory.url,
        CCX_REGISTRY_TOKEN: inventory.token,
        CCX_REGISTRY_TIMEOUT_MS: "5000",
        CCX_LOG_LEVEL: "debug",
      },
    });
    await service.says("running");
    const known = "select identifier from graphile_worker._private_known_crontabs where identifier = $1";
    await until(
      "it is on the schedule",
      async () => (await scene.rows(known, ["fetch_registry"])).length > 0,
    );
    /** As if the next five minutes were over. */
    const wake = () =>
      scene.rows(
        "select graphile_worker.add_job('fetch_registry', job_key := 'fetch_registry', max_attempts := 1)",
      );
    const registered = async () =>
      (await scene.rows("select display_name from cluster_registry order by 1")).map(
        ({ display_name }) => display_name,
      );

    inventory.publish(`${one},11,one,true,Active`, `${two},11,two,false,Active`, "x,11,three,,");
    await wake();
    const { added, refused } = await service.says("registry of clusters fetched");
    assert.deepEqual([added, refused], [2, 1]);
    const { problems } = await service.says("lines of the registry left out, see registry_source");
    assert.deepEqual(problems, ['line 4: the cluster is no UUID: "x"']);
    await wake();
    await service.says("registry of clusters has not changed");

    inventory.behave({ body: "oops", status: 500 }, "hang", "half-body");
    const reasons = [
      "answers with HTTP 500",
      "does not answer within 5000 ms",
      "breaks off in the middle of its answer",
    ];
    for (const [nth, reason] of reasons.entries()) {
      await wake();
      const line = await service.says("registry of clusters not fetched, what was there stays", nth + 1);
      assert.deepEqual([line.level, line.reason], ["warn", `${inventory.name}: ${reason}`]);
      assert.equal(await scene.value("select failure from registry_source"), line.reason);
    }
    assert.deepEqual(await registered(), ["one", "two"]);

    await wake();
    await service.says("registry of clusters has not changed", 2);
    assert.equal(await scene.value("select failure from registry_source"), null);
    assert.equal(await scene.value("select asked_every from registry_source"), "00:05:00");
    inventory.publish(`${two},11,zwei,false,Active`);
    await wake();
    const { changed, removed } = await service.says("registry of clusters fetched", 2);
    assert.deepEqual([changed, removed, await registered()], [1, 1, ["zwei"]]);

    assert.equal(service.lines.filter(({ level }) => level === "error" || level === "fatal").length, 0);
    assert.ok(!/hunter[23]/.test(JSON.stringify(service.lines)), "neither query nor token is anywhere");
    assert.deepEqual(inventory.unexpected, []);
    inventory.behave("hang");
    await wake();
    await until("the URL is asked", () => inventory.took().includes("hang"));
    await service.stop(5_000);
  },
);
