/** Instrumentation scope of the links' spans, as `link/tags.ts` and the OTLP exporters of links write it. */
const LINK_SCOPE = "chain-link";

/** Name for a recorder that does not identify itself. */
export const NAMELESS = "unnamed";

/**
 * Returns what recorded a span if its tags show that it was not a link; otherwise `undefined`.
 *
 * The instrumentation scope decides: OTLP has a field for it, and exporters to Zipkin write `otel.scope.name`
 * (https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/#instrumentationscope). Links write the scope to Zipkin only with
 * `--tags full`, because the default tags are the original's. Without a scope the shape tells. Every span of a link, with each
 * set of tags, has the method, and the target (SERVER) or the URL (CLIENT); none has `component`, which Envoy and OpenTracing write.
 *
 * @param scope Where it is no tag
 */
export function findRecorder(tag: (key: string) => string | undefined, scope?: string): string | undefined {
  const name = scope ?? tag("otel.scope.name") ?? tag("otel.library.name");
  if (name === LINK_SCOPE) return undefined;
  const component = tag("component");
  if (name !== undefined || component !== undefined) return name ?? component;
  if (tag("http.method") === undefined)
    return tag("http.request.method") === undefined ? NAMELESS : undefined;
  return tag("http.target") === undefined && tag("http.url") === undefined ? NAMELESS : undefined;
}
