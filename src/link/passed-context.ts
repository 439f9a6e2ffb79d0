import type { ByteWriter } from "../http/byte-writer.ts";
import { lowerBytes } from "../http/characters.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Fields } from "../http/fields.ts";
import type { Propagator } from "../trace/context.ts";
import { copyFields, PASSED, RequestContext } from "./request-context.ts";
import type { Sampler } from "./sampler.ts";

const CONTEXT_NAMES = [
  ...["traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid"],
  ...["x-b3-sampled", "x-b3-flags"],
].map(lowerBytes);
const NAMES = [...CONTEXT_NAMES, ...PASSED];

/**
 * The context of a request in a link that does not trace: it records nothing, and passes every trace header on unchanged, so
 * that the spans of its callees have its caller's spans as parents. `OTEL_SDK_DISABLED` asks for this:
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration
 */
export class PassedContext extends RequestContext {
  override start(exchange: Exchange, propagators: readonly Propagator[], sampler: Sampler): void {
    super.start(exchange, propagators, sampler);
    this.isSampled = false;
    this.isStart = false;
    this.isCaptured = false;
  }

  override writeTo(out: ByteWriter, fields: Fields): void {
    copyFields(out, fields, NAMES);
  }

  /** A link that does not trace has no trace to compare with. */
  override isOtherTrace(): boolean {
    return false;
  }
}
