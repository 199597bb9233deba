#!/usr/bin/env node
// What follows the check is imported only once it has passed: an old Node cannot read it.
import("./require_node.js")
  .then(() => import("./start.js"))
  .catch((error) => {
    console.error(error && error.name === "ConfigurationError" ? error.message : error);
    process.exitCode = 1;
  });
