#!/usr/bin/env node
// As bin/ccx.js: an old Node gets one sentence.
import("./require_node.js")
  .then(() => import("./compile_cache.js"))
  .then(() => import("../src/compat/writer/main.ts"))
  .then(({ main }) => main(process.argv))
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
