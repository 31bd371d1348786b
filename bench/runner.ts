import type { Figures, Variant } from './case.js';

/** All that was measured of one variant, in order of the rounds. */
export interface Measured {
  readonly name: string;
  /** See `Variant`. */
  readonly against?: string | undefined;
  readonly runs: readonly Figures[];
}

/**
 * Measures the variants in turn, so that what else the machine does falls on all of them. Every second
 * round goes backwards: none of them always comes after the same one.
 */
export async function alternate(
  variants: readonly Variant[],
  rounds: number,
  say: (line: string) => void,
): Promise<readonly Measured[]> {
  const runs = new Map<Variant, Figures[]>(variants.map((variant) => [variant, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const variant of round % 2 === 1 ? variants : variants.toReversed()) {
      const figures = await variant.run();
      runs.get(variant)?.push(figures);
      say(`round ${round}, ${variant.name}: ${JSON.stringify(figures)}`);
    }
  }
  return variants.map((variant) => ({
    name: variant.name,
    against: variant.against,
    runs: runs.get(variant) ?? [],
  }));
}
