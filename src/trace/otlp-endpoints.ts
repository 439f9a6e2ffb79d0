// The two ends of a call, which OTLP has as attributes only:
// https://opentelemetry.io/docs/specs/semconv/general/attributes/
// https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/#remote-endpoint
import { readIpAddress } from "./ip-address.ts";
import { type Attributes, formatValue } from "./otlp-span.ts";
import type { Endpoint, Span, SpanKind } from "./span.ts";
import { placeAddress } from "./zipkin-span.ts";

/** In a caller's span, in order of preference. In a callee's span, `server.address` is its own. */
const CALLEE_NAMES = ["peer.service", "server.address", "net.peer.name", "network.peer.address"];
const PEER_NAMES = ["peer.service"];

/** The Collector of OpenTelemetry converts Zipkin's endpoints to `net.…`. */
const PEER_ADDRESSES = ["network.peer.address", "net.peer.ip"];
const PEER_PORTS = ["network.peer.port", "net.peer.port"];
const CALLEE_PORTS = [...PEER_PORTS, "server.port"];
const LOCAL_ADDRESSES = ["network.local.address", "net.host.ip"];
const LOCAL_PORTS = ["network.local.port", "net.host.port"];

export function readLocalEndpoint(serviceName: string, attributes: Attributes): Endpoint | undefined {
  const address = findText(attributes, LOCAL_ADDRESSES, isAddress);
  return makeEndpoint(serviceName, address, findText(attributes, LOCAL_PORTS, isPort));
}

export function readRemoteEndpoint(kind: SpanKind | undefined, attributes: Attributes): Endpoint | undefined {
  const isCaller = kind === "CLIENT" || kind === "PRODUCER";
  const name = findText(attributes, isCaller ? CALLEE_NAMES : PEER_NAMES, isName);
  const port = findText(attributes, isCaller ? CALLEE_PORTS : PEER_PORTS, isPort);
  if (name !== undefined && isAddress(name)) return makeEndpoint("", name, port);
  return makeEndpoint(name?.toLowerCase() ?? "", findText(attributes, PEER_ADDRESSES, isAddress), port);
}

function findText(
  attributes: Attributes,
  keys: readonly string[],
  isFit: (text: string) => boolean,
): string | undefined {
  for (const key of keys) {
    const value = attributes.get(key);
    // Most attributes are absent, and a check costs more than the look-up.
    if (value === undefined) continue;
    const text = formatValue(value);
    if (isFit(text)) return text;
  }
  return undefined;
}

const isName = (text: string) => text !== "";
const isAddress = (text: string) => readIpAddress(text) !== undefined;
const isPort = (text: string) => /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536;

function makeEndpoint(
  serviceName: string,
  address: string | undefined,
  port: string | undefined,
): Endpoint | undefined {
  if (serviceName === "" && address === undefined && port === undefined) return undefined;
  const endpoint: { -readonly [K in keyof Endpoint]: Endpoint[K] } = {};
  if (serviceName !== "") endpoint.serviceName = serviceName;
  placeAddress(endpoint, address);
  if (port !== undefined) endpoint.port = Number(port);
  return endpoint;
}

/** Adds tags for a span's endpoints, as {@link readLocalEndpoint} and {@link readRemoteEndpoint} read them; prefers IPv4. */
export function tagEndpoints(span: Span): Span {
  const { localEndpoint: local, remoteEndpoint: remote, tags } = span;
  return {
    ...span,
    tags: {
      // Names are in lower case by now, but tags keep their original case, so tags win.
      ...tagOf("peer.service", remote?.serviceName),
      ...tags,
      ...tagOf("network.peer.address", remote?.ipv4 ?? remote?.ipv6),
      ...tagOf("network.peer.port", remote?.port),
      ...tagOf("network.local.address", local?.ipv4 ?? local?.ipv6),
      ...tagOf("network.local.port", local?.port),
    },
  };
}

function tagOf(key: string, value: string | number | undefined): Readonly<Record<string, string>> {
  return value === undefined ? {} : { [key]: String(value) };
}
