import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type {
  Comparison,
  ComparisonProgress,
  ComparisonReport,
  ShapeDifference,
} from '../comparison.js';
import { errorTypes, TransientError } from '../errors.js';
import {
  compareCatalogues,
  type Difference,
  differentOptions,
} from '../mongo/catalogue-difference.js';
import {
  type Checkpoint,
  compareCollections as compare,
  startingPoint,
} from '../mongo/collection-comparison.js';
import { readSize } from '../mongo/collection-size.js';
import { Rate } from '../mongo/rate.js';
import { readCheckpoint, saveCheckpoint } from './checkpoint.js';
import { openPair, type Pair, readPair } from './collection-pair.js';
import type { ActivityDependencies } from './context.js';
import { type Pulse, withPulse } from './pulse.js';

/** What still differs after 6 s, with the source's document as it was, is no matter of lag. */
const PATIENCE = { rounds: 3, waitMs: 2_000, oldestMs: 10_000 } as const;

/**
 * Compares all documents, indexes and options of two collections and writes nothing. A later attempt
 * goes on from the last checkpoint in the heartbeat of the one before it.
 * @throws PermanentError NotComparable when one of them is no collection, or both are the same one.
 */
export async function compareCollections(
  deps: Pick<ActivityDependencies, 'connections'>,
  { options }: Comparison,
): Promise<ComparisonReport> {
  const before: unknown = Context.current().info.heartbeatDetails;
  let details: unknown = before;
  return withPulse(
    () => details,
    async (pulse) => {
      const pair = openPair(deps, options);
      const seen = await readPair(pair, pulse.signal);
      const saved = detailsOf(before);
      const start = readCheckpoint(saved, seen.key) ?? startingPoint;
      const size = await readSize(pair.source.db, pair.source.collection, pulse.signal);
      const rate = new Rate();
      let counted = start.source.documents;
      const tally = await compare(
        {
          source: { ...pair.source, clustered: seen.source.options.has('clusteredIndex') },
          target: { ...pair.target, clustered: seen.target.options.has('clusteredIndex') },
          sameOrder: !differentOptions(seen.source.options, seen.target.options).includes(
            'collation',
          ),
          limits: options,
          patience: PATIENCE,
          signal: pulse.signal,
          clock: { wait: (ms) => waitFor(ms, pulse) },
          onProgress: (checkpoint, { first: _first, ...now }) => {
            pulse.touch();
            const documentsPerSecond = rate.add(now.source.documents - counted);
            counted = now.source.documents;
            const doing = doingOf(checkpoint, now.open);
            const progress: ComparisonProgress = {
              doing,
              total: size.documents,
              documentsPerSecond,
              ...now,
            };
            details = { progress, checkpoint: saveCheckpoint(checkpoint, seen.key) };
          },
        },
        start,
      );
      return { ...tally, ...(await compareShapes(pair, seen.key, tally, pulse)) };
    },
  );
}

/** Indexes and options are read when all documents are compared, since they may have been built meanwhile. */
async function compareShapes(
  pair: Pair,
  key: string,
  { differing, missing, extra, unsettled }: ComparisonReportCounts,
  { signal }: Pulse,
): Promise<Pick<ComparisonReport, 'equal' | 'indexDifferences' | 'optionDifferences'>> {
  const now = await readPair(pair, signal);
  if (now.key !== key) {
    throw new TransientError(
      errorTypes.mongo,
      'a collection was dropped and made anew while it was compared; the comparison begins again',
    );
  }
  const differences = compareCatalogues(now.source, now.target);
  const documents = differing + missing + extra + unsettled;
  return {
    equal: documents === 0 && differences.length === 0,
    indexDifferences: pick(differences, 'index'),
    optionDifferences: pick(differences, 'option'),
  };
}

type ComparisonReportCounts = Pick<
  ComparisonReport,
  'differing' | 'missing' | 'extra' | 'unsettled'
>;

function pick(differences: readonly Difference[], what: 'index' | 'option'): ShapeDifference[] {
  return differences
    .filter((difference) => difference.what.startsWith(`${what} `))
    .map(({ what: name, source, target }) => ({
      name: name.slice(what.length + 1).replace(/^"(.*)"$/s, '$1'),
      source,
      target,
    }));
}

function doingOf({ pass }: Checkpoint, open: number): string {
  if (open > 0) return `comparing documents; ${open} that differ are looked at again`;
  return pass === 1 ? 'comparing documents' : 'comparing what is left: extra documents, indexes';
}

function detailsOf(details: unknown): unknown {
  return typeof details === 'object' && details !== null && 'checkpoint' in details
    ? details.checkpoint
    : undefined;
}

async function waitFor(ms: number, { signal, touch }: Pulse): Promise<void> {
  touch();
  await sleep(ms, undefined, { signal });
}
