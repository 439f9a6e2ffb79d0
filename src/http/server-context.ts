import type { ByteWriter } from "./byte-writer.ts";
import type { Handler } from "./exchange.ts";
import type { ServerLimits } from "./limits.ts";
import type { Rejections } from "./rejections.ts";
import type { Sweeper } from "./sweeper.ts";

/** What the connections of a server share. */
export interface ServerContext {
  readonly handler: Handler;
  readonly limits: ServerLimits;
  readonly sweeper: Sweeper;
  readonly rejections: Rejections;
  /** Scratch buffer for answers; each is written before the next is begun. */
  readonly out: ByteWriter;
  /** Every connection closes after its answer. */
  isStopping: boolean;
}
