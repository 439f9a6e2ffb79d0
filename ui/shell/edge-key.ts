/** The key of a call in maps. A service may have any name, so no separator between two names is safe. */
export function edgeKey(from: string, to: string): string {
  return JSON.stringify([from, to]);
}
