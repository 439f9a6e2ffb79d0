// Where the program begins when it is one executable: what `bin/chain-link` does to the environment is done here.
const { env } = process;

// For processes started from here. For itself it is too late, the runtime has read them: the image sets them from outside.
env.BUN_JSC_forceRAMSize ??= "268435456";
env.BUN_CONFIG_DNS_TIME_TO_LIVE_SECONDS ??= "5";

// Not before the environment is as it shall be.
await import("./entry.ts");

export {};
