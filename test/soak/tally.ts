/** What became of the changes, by kind. */
export class Tally {
  readonly #kinds = new Map<string, { done: number; refused: number }>();
  readonly #codes = new Map<number, { count: number; message: string }>();

  /** Counts a change that all took effect. */
  done(kind: string): void {
    this.#of(kind).done++;
  }

  /** Counts a change that a server refused, wholly or in part. */
  refused(kind: string, code: number, message: string): void {
    this.#of(kind).refused++;
    const found = this.#codes.get(code) ?? { count: 0, message };
    found.count++;
    this.#codes.set(code, found);
  }

  /** Changes that took effect. */
  get total(): number {
    return [...this.#kinds.values()].reduce((sum, { done }) => sum + done, 0);
  }

  /** Kinds of which at least one change took effect. */
  get kinds(): string[] {
    return [...this.#kinds].filter(([, { done }]) => done > 0).map(([kind]) => kind);
  }

  /** Lines for people: counts by kind, and why servers refused. */
  lines(): string[] {
    const sorted = [...this.#kinds].toSorted(([one], [other]) => (one < other ? -1 : 1));
    const kinds = sorted.map(
      ([kind, { done, refused }]) => `${kind} ${done}${refused > 0 ? ` (${refused} refused)` : ''}`,
    );
    const codes = [...this.#codes].map(
      ([code, { count, message }]) => `  refused ${count}x ${code}: ${message.slice(0, 150)}`,
    );
    return [`changes: ${this.total}`, `  ${kinds.join(', ')}`, ...codes];
  }

  #of(kind: string): { done: number; refused: number } {
    const found = this.#kinds.get(kind) ?? { done: 0, refused: 0 };
    this.#kinds.set(kind, found);
    return found;
  }
}
