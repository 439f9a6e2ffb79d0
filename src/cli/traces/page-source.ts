/** What a page over a backend of elsewhere shows, and what it cannot. */
export function describeSource(hasLive: boolean, place: string): string {
  const numbers = hasLive ? "" : "The numbers on the graph are of its newest 200 traces, 5 seconds late. ";
  return `Read from ${place}. ${numbers}Load, faults and ledgers are not to be had from here.`;
}
