/** So many keys are kept at most; what is told of all of them is then right by some 2 %, of a tenth by some 7. */
const MOST = 4_096;

/**
 * How many documents there are, and how large they are, of which each may come many times; and some of them. A key is
 * kept by its hash, so that one that comes again counts no more (distinct sampling, Gibbons 2001).
 */
export class KeySample {
  readonly #sizes = new Map<string, number>();
  /** One of so many keys is kept: a power of two. */
  #every = 1;

  /** About how many documents. */
  get count(): number {
    return this.#sizes.size * this.#every;
  }

  /** About how many bytes they have. */
  get bytes(): number {
    let bytes = 0;
    for (const size of this.#sizes.values()) bytes += size;
    return bytes * this.#every;
  }

  get keys(): readonly string[] {
    return [...this.#sizes.keys()];
  }

  /** How large the document of a kept key is. */
  sizeOf(key: string): number {
    return this.#sizes.get(key) ?? 0;
  }

  /** The document of this key has so many bytes by now. */
  set(key: string, size: number): void {
    if (!this.#isKept(key)) return;
    this.#sizes.set(key, size);
    while (this.#sizes.size > MOST) {
      this.#every *= 2;
      for (const one of this.#sizes.keys()) if (!this.#isKept(one)) this.#sizes.delete(one);
    }
  }

  #isKept(key: string): boolean {
    return this.#every === 1 || (hash(key) & (this.#every - 1)) === 0;
  }
}

/** FNV-1a, and the last steps of MurmurHash3 by which low bits depend on all others. */
function hash(key: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) value = Math.imul(value ^ key.charCodeAt(at), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}
