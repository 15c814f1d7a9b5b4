/** Names of slots: numbered, each its own as long as it is there, and used again after. So there are never many of them. */
export class SlotNames {
  readonly #taken = new Set<string>();

  take(prefix: string): string {
    for (let n = 0; ; n++) {
      const name = `${prefix}${n}`;
      if (this.#taken.has(name)) continue;
      this.#taken.add(name);
      return name;
    }
  }

  free(name: string): void {
    this.#taken.delete(name);
  }
}
