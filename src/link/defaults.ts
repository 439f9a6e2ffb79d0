/** Where the original's Deployments mount the list. */
export const DEFAULT_SERVICES_FILE = "/etc/chain-link.conf.d/services.json";

/** Where the original sends its spans. */
export const DEFAULT_ZIPKIN_URL = "http://zipkin-service";

/** Where OpenTelemetry's SDKs send theirs. */
export const DEFAULT_OTLP_URL = "http://localhost:4318";
