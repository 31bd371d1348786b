import { randomFrom } from '../helpers/random.js';

/** Chance that a seed decides: all of a soak's choices come from here, so that a run can be repeated. */
export class Dice {
  readonly #random: () => number;

  /** Dice of the same parts fall alike; of other parts they have nothing in common. */
  constructor(...parts: readonly (string | number)[]) {
    this.#random = randomFrom(hash(JSON.stringify(parts)));
  }

  /** A whole number from 0 up to, but not including, `end`. */
  below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** Whether something comes to pass that does so with this probability. */
  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** One of a list. @throws when there is none */
  pick<T>(list: readonly T[]): T {
    const at = this.below(list.length);
    if (at >= list.length) throw new Error('nothing to choose from');
    return list[at] as T;
  }

  /** Some of a list, in its order. */
  some<T>(list: readonly T[], count: number): T[] {
    const left = list.map((_, index) => index);
    while (left.length > count) left.splice(this.below(left.length), 1);
    return left.map((index) => list[index] as T);
  }

  /** A name, as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.#random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      left -= weight;
      if (left < 0) return name;
    }
    return (entries[0] as [K, number])[0];
  }
}

/** FNV-1a, and a last mixing, so that near seeds lead far apart. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(text)) state = Math.imul(state ^ byte, 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x45d9f3b);
  return (state ^ (state >>> 16)) >>> 0;
}
