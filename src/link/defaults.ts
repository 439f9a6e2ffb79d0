/** The path at which the original's Deployments mount the services list. */
export const DEFAULT_SERVICES_FILE = "/etc/chain-link.conf.d/services.json";

/** The original's Zipkin. */
export const DEFAULT_ZIPKIN_URL = "http://zipkin-service";

/** The default of OpenTelemetry's SDKs. */
export const DEFAULT_OTLP_URL = "http://localhost:4318";
