// Plain JavaScript that Node can read from version 12 on, so that old ones can say what is missing.
var parts = process.versions.node.split(".").map(Number);

if (parts[0] < 22 || (parts[0] === 22 && parts[1] < 18)) {
  console.error(
    "ccx needs Node.js 22.18 or newer, but this is " +
      process.versions.node +
      " (" +
      process.execPath +
      "): install a newer one, or put it first in PATH.",
  );
  process.exit(1);
}
