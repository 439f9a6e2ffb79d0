import { EXIT } from "./exit.ts";

/** The signal that asks a long-running command to stop. */
interface Interruption {
  /** Resolves at the first signal. */
  readonly signal: Promise<"SIGINT" | "SIGTERM">;
}

/** Conventional exit code after SIGTERM. */
const TERMINATED = 143;

/** The first Ctrl-C or SIGTERM asks for a clean stop; the second one exits immediately. */
export function watchInterrupts(onSecond: () => void = () => {}): Interruption {
  const { promise, resolve } = Promise.withResolvers<"SIGINT" | "SIGTERM">();
  let count = 0;
  const onSignal = (signal: "SIGINT" | "SIGTERM") => {
    if (++count === 1) {
      resolve(signal);
      return;
    }
    onSecond();
    process.exit(signal === "SIGINT" ? EXIT.interrupted : TERMINATED);
  };
  process.on("SIGINT", () => onSignal("SIGINT"));
  process.on("SIGTERM", () => onSignal("SIGTERM"));
  return { signal: promise };
}
