/** Documents per second, from how far a copy was at the last two looks. */
export class CopySpeed {
  #before: { readonly documents: number; readonly at: number } | undefined;
  #perSecond = 0;

  /** @param at milliseconds */
  perSecond(documents: number, at: number): number {
    const before = this.#before;
    if (before === undefined) this.#before = { documents, at };
    else if (at - before.at >= 1000) {
      this.#perSecond = ((documents - before.documents) * 1000) / (at - before.at);
      this.#before = { documents, at };
    }
    return Math.round(this.#perSecond);
  }
}
