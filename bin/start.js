import "./compile_cache.js";

const { main } = await import("../src/cli.ts");
await main(process.argv);
