#!/usr/bin/env node
// As bin/ccx.js: an old Node gets one sentence.
import("./require_node.js")
  .then(() => import("./compile_cache.js"))
  .then(() => import("../src/compat/aggregator/main.ts"))
  .then(({ main }) => main(process.argv))
  // what still hangs (a name that is looked up) keeps no command that is done
  .then(() => setTimeout(() => process.exit(), 2000).unref())
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
