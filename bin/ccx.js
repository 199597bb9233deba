#!/usr/bin/env node
// Plain JavaScript that Node can read from version 10 on, so that old ones can say what is missing.
var parts = process.versions.node.split(".").map(Number);

if (parts[0] < 22 || (parts[0] === 22 && parts[1] < 18)) {
  console.error(
    "ccx needs Node.js 22.18 or newer (this is v" +
      process.versions.node +
      "). Run it through npm (npm start, npx ccx), which brings its own.",
  );
  process.exit(1);
} else {
  import("./start.js").catch((error) => {
    console.error(error && error.name === "ConfigurationError" ? error.message : error);
    process.exitCode = 1;
  });
}
