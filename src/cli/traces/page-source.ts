/** Explains what the page of a remote backend shows, and what it cannot show. */
export function describeSource(hasLive: boolean, place: string): string {
  const numbers = hasLive ? "" : "The graph's numbers come from its newest 200 traces, 5 seconds late. ";
  return `Read from ${place}. ${numbers}Load, faults and ledgers are not available here.`;
}
