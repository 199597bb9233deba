import module from "node:module";
import path from "node:path";

// A command starts in two thirds of the time where what was compiled is kept. Where the folder cannot be
// written, nothing is kept.
module.enableCompileCache(path.join(import.meta.dirname, "../node_modules/.cache/ccx"));
