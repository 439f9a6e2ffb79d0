import type { Endpoint, Span } from "./span.ts";
import type { SpanRow } from "./span-tree.ts";

interface SkewCorrection {
  /** Microseconds to add to the start of each row's span. */
  readonly shifts: Float64Array;
  /** The amount added, in microseconds, by service; the name includes the address if the trace has several instances. */
  readonly services: ReadonlyMap<string, number>;
}

/** Microseconds. Start and duration are rounded separately, in the client and in the server. */
const ROUNDING = 2;

/**
 * Corrects wrong clocks, as far as the trace proves that they are wrong.
 *
 * A shift belongs to one service instance. Only a CLIENT span with the SERVER span below it can prove one, and only if
 * nothing else explains the times: the server began before its client, or after its client had its answer. A server that
 * began in between and ended later answered early, or continued after its client gave up. Messaging spans, one-way calls
 * and local spans say nothing about clocks. The root's instance is the reference. An instance keeps its times if that is
 * possible, and also if its calls contradict each other.
 * @param rows in the order of `arrangeSpans`
 */
export function correctSkew(rows: readonly SpanRow[]): SkewCorrection {
  const shifts = new Float64Array(rows.length);
  const services = new Map<string, number>();
  const clocks = findClocks(rows);
  const calls = findCalls(rows, clocks);
  if (calls.every((call) => isWithin(0, call))) return { shifts, services };
  const shiftOf = solve(clocks.count, calls);
  const instances = new Map<string, Set<number>>();
  rows.forEach(({ span }, index) => {
    const clock = clocks.of[index] as number;
    shifts[index] = shiftOf[clock] as number;
    const service = span.localEndpoint?.serviceName;
    if (service === undefined) return;
    const known = instances.get(service);
    if (known === undefined) instances.set(service, new Set([clock]));
    else known.add(clock);
  });
  rows.forEach(({ span: { localEndpoint } }, index) => {
    const service = localEndpoint?.serviceName;
    if (service === undefined || shifts[index] === 0) return;
    const isOnly = instances.get(service)?.size === 1;
    const name = isOnly ? service : `${service} at ${addressOf(localEndpoint) || "no address"}`;
    if (!services.has(name)) services.set(name, shifts[index] as number);
  });
  return { shifts, services };
}

/** Whether {@link correctSkew} might find something: a check that needs no tree, for lists of many traces. */
export function mayBeSkewed(spans: readonly Span[]): boolean {
  const clients = new Map<string, Span>();
  for (const span of spans) {
    if (span.kind !== "CLIENT" || !span.timestamp || !span.duration) continue;
    const other = clients.get(span.id);
    if (other?.timestamp === undefined || other.timestamp > span.timestamp) clients.set(span.id, span);
  }
  if (clients.size === 0) return false;
  return spans.some((server) => {
    if (server.kind !== "SERVER" || !server.timestamp) return false;
    const client = clients.get(server.id) ?? clients.get(server.parentId ?? "");
    if (client === undefined) return false;
    const after = server.timestamp - (client.timestamp ?? 0);
    return after < -ROUNDING || after > (client.duration ?? 0) + ROUNDING;
  });
}

/** A number for the clock of each row; 0 is the root's. */
interface Clocks {
  readonly of: Int32Array;
  readonly count: number;
}

/** One clock per process. Service, instance id and address identify a process; its local spans belong to it as well. */
function findClocks(rows: readonly SpanRow[]): Clocks {
  const of = new Int32Array(rows.length);
  const numbers = new Map<string, number>();
  rows.forEach(({ span, parent }, index) => {
    const above = rows[parent]?.span;
    const isEntry = span.kind === "SERVER" || span.kind === "CONSUMER";
    if (
      above !== undefined &&
      (!span.localEndpoint?.serviceName || (!isEntry && isSameInstance(above, span)))
    ) {
      of[index] = of[parent] as number;
      return;
    }
    const { serviceName } = span.localEndpoint ?? {};
    const key = `${serviceName}\n${span.tags?.["service.instance.id"] ?? ""}\n${addressOf(span.localEndpoint)}`;
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    of[index] = number;
  });
  return { of, count: numbers.size };
}

/** Whether two spans can be of one instance: no value that both have differs. */
function isSameInstance(a: Span, b: Span): boolean {
  const [one, other] = [a.localEndpoint, b.localEndpoint];
  const isSame = (x: unknown, y: unknown) => x === undefined || y === undefined || x === y;
  return (
    one?.serviceName === other?.serviceName &&
    isSame(one?.ipv4, other?.ipv4) &&
    isSame(one?.ipv6, other?.ipv6) &&
    isSame(one?.port, other?.port) &&
    isSame(a.tags?.["service.instance.id"], b.tags?.["service.instance.id"])
  );
}

/** Processes on one host share its clock, but a loopback address does not identify a host. */
function isSameHost(a: Endpoint = {}, b: Endpoint = {}): boolean {
  const isSame = (x: string | undefined, y: string | undefined) =>
    x !== undefined && x === y && !x.startsWith("127.") && x !== "::1";
  return isSame(a.ipv4, b.ipv4) || isSame(a.ipv6, b.ipv6);
}

function addressOf({ ipv4, ipv6, port }: Endpoint = {}): string {
  return `${ipv4 ?? (ipv6 === undefined ? "" : `[${ipv6}]`)}${port === undefined ? "" : `:${port}`}`;
}

/** A call between two clocks: bounds on how much more must be added to the times of `to` than to those of `from`. */
interface Call {
  readonly from: number;
  readonly to: number;
  /** The server does not begin before its client. */
  readonly least: number;
  /** The server begins before its client ends, unless the client gave up. */
  readonly most: number;
  /** The server ends before its client ends, if it is short enough for that. */
  readonly best: number;
}

function findCalls(rows: readonly SpanRow[], clocks: Clocks): Call[] {
  const calls: Call[] = [];
  rows.forEach(({ span: server, parent }, index) => {
    const client = rows[parent]?.span;
    if (client?.kind !== "CLIENT" || server.kind !== "SERVER") return;
    if (!client.timestamp || !client.duration || !server.timestamp || !server.duration) return;
    const [from, to] = [clocks.of[parent] as number, clocks.of[index] as number];
    if (from === to || isSameInstance(client, server)) return;
    if (isSameHost(client.localEndpoint, server.localEndpoint)) return;
    const least = client.timestamp - server.timestamp;
    const hasFailed = client.tags !== undefined && Object.hasOwn(client.tags, "error");
    const most = hasFailed ? Number.POSITIVE_INFINITY : least + client.duration;
    const room = client.duration - server.duration;
    calls.push({ from, to, least, most, best: room < 0 ? Number.POSITIVE_INFINITY : least + room });
  });
  return calls;
}

/** The possible shifts of a clock: `least` to `most`, and within that, preferably `from` to `to`. */
interface ShiftRange {
  readonly least: number;
  readonly most: number;
  readonly from: number;
  readonly to: number;
}

/** The possible shifts of one clock of a call, given the `shift` of the other one. */
function rangeOf({ least, most, best }: Call, shift: number, isServer: boolean): ShiftRange {
  return isServer
    ? { least: shift + least, most: shift + most, from: shift + least, to: shift + best }
    : { least: shift - most, most: shift - least, from: shift - best, to: shift - least };
}

function isWithin(shift: number, { least, most }: Pick<ShiftRange, "least" | "most">): boolean {
  return shift >= least - ROUNDING && shift <= most + ROUNDING;
}

/** The shift of each clock. Callers are decided before callees, so that a difference is attributed to the callee. */
function solve(count: number, calls: readonly Call[]): Float64Array {
  const shifts = new Float64Array(count).fill(Number.NaN);
  const callsOf: Call[][] = Array.from({ length: count }, () => []);
  const open = new Int32Array(count);
  for (const call of calls) {
    callsOf[call.from]?.push(call);
    callsOf[call.to]?.push(call);
    open[call.to] = (open[call.to] as number) + 1;
  }
  const decide = (clock: number) => {
    const ranges: ShiftRange[] = [];
    const wishes: ShiftRange[] = [];
    let isAccused = false;
    const isCalled = callsOf[clock]?.some(({ to }) => to === clock);
    for (const call of callsOf[clock] as Call[]) {
      const isServer = call.to === clock;
      const shift = shifts[isServer ? call.from : call.to] as number;
      const range = rangeOf(call, Number.isNaN(shift) ? 0 : shift, isServer);
      if (Number.isNaN(shift)) wishes.push(range);
      else ranges.push(range);
      // A difference is attributed to the server, unless the client has no callers.
      if (!Number.isNaN(shift) && (isServer || !isCalled)) isAccused ||= !isWithin(0, range);
    }
    shifts[clock] = clock === 0 || !isAccused ? 0 : chooseShift(ranges, wishes);
  };
  const order: number[] = [];
  const ready: number[] = [0];
  for (let next = 0; order.length < count; ) {
    const clock = ready.shift() ?? next++;
    if (!Number.isNaN(shifts[clock])) continue;
    order.push(clock);
    decide(clock);
    for (const { from, to } of callsOf[clock] as Call[]) {
      if (from !== clock) continue;
      open[to] = (open[to] as number) - 1;
      if (open[to] === 0) ready.push(to);
    }
  }
  // Callers in a cycle, and callees of a clock without callers, may have been decided after it.
  for (const clock of order) if (shifts[clock] === 0) decide(clock);
  return shifts;
}

/**
 * Returns 0 if that is possible, or if no shift is.
 * @param wishes ranges from clocks that are not yet decided, to be met if possible
 */
function chooseShift(ranges: readonly ShiftRange[], wishes: readonly ShiftRange[]): number {
  // Not as spread arguments: there may be a hundred thousand ranges.
  const least = ranges.reduce((max, range) => Math.max(max, range.least), Number.NEGATIVE_INFINITY);
  const most = ranges.reduce((min, range) => Math.min(min, range.most), Number.POSITIVE_INFINITY);
  if (isWithin(0, { least, most }) || least > most + ROUNDING) return 0;
  const nearest = least > 0 ? least : most;
  let from = ranges.reduce((max, range) => Math.max(max, range.from), least);
  let to = ranges.reduce((min, range) => Math.min(min, range.to), most);
  if (from > to) return nearest;
  for (const wish of wishes) {
    const [low, high] = [Math.max(from, wish.from), Math.min(to, wish.to)];
    if (low <= high) [from, to] = [low, high];
  }
  // Assume that the request and the answer each took half of the client's remaining time.
  const middle = Math.round((from + to) / 2);
  return Number.isFinite(middle) ? middle : nearest;
}
