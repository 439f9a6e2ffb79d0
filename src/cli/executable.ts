// Entry point of the single executable. It sets up the environment as `bin/chain-link` does for the npm package.
const { env } = process;

// For child processes only: this runtime has read its variables already, so the image sets them from outside.
env.BUN_JSC_forceRAMSize ??= "268435456";
env.BUN_CONFIG_DNS_TIME_TO_LIVE_SECONDS ??= "5";

// Dynamic, so that the environment is set first.
await import("./entry.ts");

export {};
