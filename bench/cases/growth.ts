import type { BenchCase, Variant } from '../case.js';
import { usual } from '../documents.js';
import { captureVariants } from './capture.js';
import { copyVariants } from './copy.js';
import { replayVariants } from './replay.js';

const SIZES = [0.1, 0.3, 1] as const;
const SHOWN = /direct$|, capture$|\$merge$|replay$/;

/**
 * The same things with a tenth of the documents, three tenths, and all: what they cost each has to stay. The server's
 * own `$merge` says how much of what the replay's cost grows by is the server's.
 */
export const growth: BenchCase = {
  about:
    'direct copy, capture, replay and one $merge at a tenth, three tenths and all of --documents',
  defaults: { documents: 3_000_000, rounds: 3, rate: 1 },
  quick: { documents: 10_000 },
  figure: 'perSecond',
  prepare: async (environment, options) => {
    const all: Variant[] = [];
    for (const share of SIZES) {
      const documents = Math.round(options.documents * share);
      const label = `${documents}, `;
      const load = { kind: 'spread', documents, bytes: usual.bytes } as const;
      const found = [
        ...(await copyVariants(environment, { ...options, documents }, usual, label)),
        ...(await captureVariants(environment, documents, label, true)),
        ...(await replayVariants(environment, load, label)),
      ];
      all.push(...found.filter(({ name }) => SHOWN.test(name)));
    }
    const smallest = Math.round(options.documents * SIZES[0]);
    return all.map(({ name, run }) => ({
      name,
      against: name.replace(/^\d+/, String(smallest)),
      run: async () => {
        const figures = await run();
        const rate = Object.entries(figures).find(([figure]) => figure.endsWith('PerSecond'));
        return { ...figures, perSecond: rate?.[1] ?? Number.NaN };
      },
    }));
  },
};
