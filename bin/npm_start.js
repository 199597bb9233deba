// `npm start`: as bin/ccx.js, an old Node gets one sentence.
import("./require_node.js")
  .then(() => import("../dev/start.ts"))
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
