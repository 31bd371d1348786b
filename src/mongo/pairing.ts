import type { DocumentDifference } from './compare.js';
import { copyOf, hashOf, idOf, type RawValue } from './raw.js';

/** A document whose counterpart has not come yet; of one that has waited for long, or is large, the hash. */
type Waiting = Buffer | { readonly id: RawValue; readonly hash: string };

/** Puts together the documents of both sides, in whatever order they come. */
export class Pairing {
  readonly differences: DocumentDifference[] = [];
  readonly #heldBytes: number;
  readonly #waiting = {
    source: new Map<string, Waiting>(),
    target: new Map<string, Waiting>(),
  };
  #held = 0;
  /** What has come by the call of `addAll` that is going on, and found no counterpart yet. */
  #young: { readonly side: 'source' | 'target'; readonly key: string }[] = [];

  constructor(heldBytes: number) {
    this.#heldBytes = heldBytes;
  }

  /** Documents of the source, and of the target, whose counterparts have not come yet. */
  get waiting(): readonly [number, number] {
    return [this.#waiting.source.size, this.#waiting.target.size];
  }

  /** Takes what has come from both sides. What stays is copied: a view of a reply would keep the whole reply in memory. */
  addAll(source: readonly Buffer[], target: readonly Buffer[]): void {
    const count = Math.max(source.length, target.length);
    for (let index = 0; index < count; index++) {
      const [left, right] = [source[index], target[index]];
      // Mostly both sides come in step: then it takes no look-up.
      if (left && right?.equals(left)) continue;
      if (left) this.#add('source', left);
      if (right) this.#add('target', right);
    }
    this.#keep();
  }

  #add(side: 'source' | 'target', document: Buffer): void {
    const other = this.#waiting[side === 'source' ? 'target' : 'source'];
    const id = idOf(document);
    const counterpart = other.get(id.key);
    if (!counterpart) {
      this.#waiting[side].set(id.key, document);
      this.#young.push({ side, key: id.key });
      this.#held += document.length;
      if (this.#held > this.#heldBytes) this.#keepHashes();
      return;
    }
    other.delete(id.key);
    if (!('hash' in counterpart)) this.#held -= counterpart.length;
    const isSame =
      'hash' in counterpart ? hashOf(document) === counterpart.hash : document.equals(counterpart);
    if (!isSame) this.differences.push({ id: copyOf(id), kind: 'differs' });
  }

  #keep(): void {
    for (const { side, key } of this.#young) {
      const document = this.#waiting[side].get(key);
      if (document && !('hash' in document)) this.#waiting[side].set(key, Buffer.from(document));
    }
    this.#young = [];
  }

  #keepHashes(): void {
    for (const waiting of Object.values(this.#waiting)) {
      for (const [key, document] of waiting) {
        if ('hash' in document) continue;
        waiting.set(key, { id: copyOf(idOf(document)), hash: hashOf(document) });
      }
    }
    this.#held = 0;
  }

  /** What is left without counterpart. */
  finish(): readonly DocumentDifference[] {
    for (const [side, kind] of [
      ['source', 'missing'],
      ['target', 'extra'],
    ] as const) {
      for (const left of this.#waiting[side].values()) {
        const id = 'hash' in left ? left.id : idOf(left);
        this.differences.push({ id: copyOf(id), kind });
      }
    }
    return this.differences;
  }
}
