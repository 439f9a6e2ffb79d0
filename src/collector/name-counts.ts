/** Counts the names under each key, so that a name disappears with the last span that has it. */
export class NameCounts {
  readonly #byKey = new Map<string, Map<string, { count: number }>>();

  add(key: string, name: string): void {
    let names = this.#byKey.get(key);
    if (names === undefined) {
      names = new Map();
      this.#byKey.set(key, names);
    }
    const held = names.get(name);
    if (held === undefined) names.set(name, { count: 1 });
    else held.count++;
  }

  remove(key: string, name: string): void {
    const names = this.#byKey.get(key);
    const held = names?.get(name);
    if (names === undefined || held === undefined || --held.count > 0) return;
    names.delete(name);
    if (names.size === 0) this.#byKey.delete(key);
  }

  keys(): string[] {
    return [...this.#byKey.keys()].sort();
  }

  names(key: string): string[] {
    return [...(this.#byKey.get(key)?.keys() ?? [])].sort();
  }
}
