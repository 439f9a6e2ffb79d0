/**
 * Returns a port of 127.0.0.1 that was free a moment ago, for a program that cannot report which port it got for 0, or
 * that must find nothing listening. With `count`, returns the first of that many consecutive free ports.
 */
export function freePort(count = 1): number {
  for (let attempt = 0; attempt < 50; attempt++) {
    const first = listen(0);
    const others = Array.from({ length: count - 1 }, (_, index) => listen((first?.port ?? 0) + index + 1));
    const all = [first, ...others];
    for (const listener of all) listener?.stop(true);
    if (first !== null && all.every((listener) => listener !== null)) return first.port;
  }
  throw new Error(`found no ${count} consecutive free ports`);
}

function listen(port: number) {
  if (port > 65_535) return null;
  try {
    return Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
  } catch {
    return null;
  }
}
