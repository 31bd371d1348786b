import { setTimeout as sleep } from 'node:timers/promises';
import type { Inspection } from '../inspection.js';
import type { Migration } from '../migration.js';
import type { Finding, PreflightReport } from '../preflight/index.js';
import type { ActivityDependencies } from './context.js';
import { type Pulse, withPulse } from './pulse.js';
import { lookAround } from './look-around.js';

/** A failover takes some 10 s: a server that is not there the first time may be there then. */
const TRIES = 3;
const BETWEEN_MS = 2_000;
/** Time that one side has in the last try; it may be reached and never answer. */
const LIMIT_MS = 60_000;

const markerUnproven: Finding = {
  code: 'markerUnproven',
  message:
    'that a change event arrives is proven when the migration starts, by inserting and deleting the ' +
    'document _id: -1 at the source; this look writes nothing',
};

/**
 * Looks at both sides as the first step of a migration does, and answers with all that it found. A
 * side that cannot be reached is a finding too, after three tries. Writes nothing; safe to run again.
 * @throws PermanentError InvalidInput when the worker does not know an alias.
 */
export async function inspect(
  deps: ActivityDependencies,
  migration: Omit<Migration, 'traits'>,
): Promise<Inspection> {
  return withPulse(
    () => ({ doing: 'looking at both sides; nothing is written' }),
    async (pulse) => {
      const report = await tryToLook(deps, migration, pulse);
      const isMarker = migration.options.token === 'marker' && report.source !== undefined;
      return {
        mayStart: report.errors.length === 0,
        ...report,
        warnings: isMarker ? [...report.warnings, markerUnproven] : report.warnings,
        found: {
          indexes: report.source?.indexes.length ?? 0,
          options: report.source?.options.length ?? 0,
        },
      };
    },
  );
}

async function tryToLook(
  deps: ActivityDependencies,
  migration: Omit<Migration, 'traits'>,
  { signal, touch }: Pulse,
): Promise<PreflightReport> {
  for (let attempt = 1; ; attempt++) {
    const report = await lookAround(deps, migration, signal, LIMIT_MS);
    const isReached = !report.errors.some(({ code }) => code.endsWith('Unreachable'));
    if (isReached || attempt === TRIES) return report;
    touch();
    await sleep(BETWEEN_MS, undefined, { signal });
  }
}
