/** Which names there are under a key, and how often, so that a name goes with the last span that has it. */
export class NameCounts {
  readonly #byKey = new Map<string, Map<string, number>>();

  add(key: string, name: string): void {
    let names = this.#byKey.get(key);
    if (names === undefined) {
      names = new Map();
      this.#byKey.set(key, names);
    }
    names.set(name, (names.get(name) ?? 0) + 1);
  }

  remove(key: string, name: string): void {
    const names = this.#byKey.get(key);
    const left = (names?.get(name) ?? 0) - 1;
    if (left > 0) names?.set(name, left);
    else names?.delete(name);
    if (names?.size === 0) this.#byKey.delete(key);
  }

  keys(): string[] {
    return [...this.#byKey.keys()].sort();
  }

  names(key: string): string[] {
    return [...(this.#byKey.get(key)?.keys() ?? [])].sort();
  }
}
