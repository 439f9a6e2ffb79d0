import { EXIT } from "./exit.ts";

/** How a program that runs until it is told to end was ended. */
export interface Interruption {
  /** Resolves at the first signal. */
  readonly signal: Promise<"SIGINT" | "SIGTERM">;
}

/** Conventional exit code of a program that a second SIGTERM ends. */
const TERMINATED = 143;

/** The first Ctrl-C or SIGTERM asks for a clean end; the second one ends the program at once. */
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
