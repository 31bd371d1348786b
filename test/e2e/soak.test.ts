import { afterAll, beforeAll, expect, it } from 'vitest';
import { runSoak } from '../soak/run.js';
import { Environment } from './environment.js';

/** The short form of `npm run soak`, which CONTRIBUTING.md explains. */
const SEED = 1;

let environment: Environment;

beforeAll(async () => {
  // Many collections at once, and workers that come and go: a busy machine takes its time.
  environment = await Environment.start({ patienceMs: 240_000 });
});

afterAll(async () => {
  await environment?.stop();
});

it.each(['dump', 'direct'] as const)(
  'moves seeded collections under seeded changes, while workers come and go, copy %s',
  async (copy) => {
    const lines: string[] = [];
    const options = {
      seed: SEED,
      minutes: 0.2,
      copy,
      documents: 2_500,
      rate: 200,
      restarts: true,
      everything: true,
    };
    const { problems, changes, documents, restarts } = await runSoak(
      environment,
      options,
      (line) => lines.push(line),
      `${copy} `,
    );
    expect(problems, lines.join('\n')).toEqual([]);
    expect(changes).toBeGreaterThan(500);
    expect(documents).toBeGreaterThan(2_500);
    expect(restarts).toBeGreaterThan(0);
  },
);
