import type { SpanKind } from "../trace/span.ts";

// A part: the spans of one trace from one batch or several, as the store keeps them. About 80 bytes for a span of a link.
//
//   part   trace id (16 bytes; the high half 0 for an id of 16 digits), span*
//   span   hash (8), flags, id (8), [parent id (8)], [timestamp (8)], [duration (8)], name: text,
//          endpoint (local), endpoint (remote), number of annotations, (timestamp (8), text)*, number of tags, (text, text)*
//   text   number of a text in the dictionary * 2 + 1, or number of bytes * 2 and UTF-8; empty = absent
//   endpoint  0, or flags 1 + 2 (ipv4) + 4 (ipv6) + 8 (port) and what they say: text (service), text, text, number
//
// Numbers are varints, times are doubles.

export const HEADER_BYTES = 16;

/** The kind is the last three bits of a span's flags. */
export const KINDS: readonly (SpanKind | undefined)[] = [
  undefined,
  "CLIENT",
  "SERVER",
  "PRODUCER",
  "CONSUMER",
];
export const KIND_MASK = 7;

export const HAS_PARENT = 8;
export const IS_SHARED = 16;
export const IS_DEBUG = 32;
export const HAS_TIMESTAMP = 64;
export const HAS_DURATION = 128;

export const HAS_ENDPOINT = 1;
export const HAS_IPV4 = 2;
export const HAS_IPV6 = 4;
export const HAS_PORT = 8;
