import type { ClientSession, Db, Timestamp } from 'mongodb';
import { refusedBlockers, shapeBlocker } from '../blockers.js';
import { errorTypes, PermanentError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { CatalogueReport, CutoverOutcome, CutoverReport, Migration } from '../migration.js';
import { Buffered } from '../mongo/buffer.js';
import { captureChanges } from '../mongo/capture.js';
import { type Catalogue, readCatalogue } from '../mongo/catalogue.js';
import { compareCatalogues } from '../mongo/catalogue-difference.js';
import type { ControlDocument } from '../mongo/control-document.js';
import { convertUnique, enforceFinal, type FinalContext, relaxFinal } from '../mongo/final-form.js';
import { planFinal } from '../mongo/final-plan.js';
import { readOperationTime } from '../mongo/operation-time.js';
import { replayRanges } from '../mongo/replay-loop.js';
import { takeOverReplay } from '../mongo/takeover.js';
import { summariseDifferences } from '../mongo/verification.js';
import {
  type ActivityDependencies,
  open,
  type Opened,
  type Pulse,
  readSourceCatalogue,
  withPulse,
} from './context.js';
import { findSettledBlockers } from './cutover-blockers.js';
import { replayTarget } from './replay.js';
import { Recheck } from './recheck.js';
import { findShapeBlockers, settleShape } from './settle-shape.js';

/** How long a request waits for the last events, in ms: each wait is downtime. */
const MAX_AWAIT_MS = 20;
/**
 * Rounds of comparing before the fence: so many at most, none after one that was this short (ms) or
 * that took more than this share of the one before it: writers are as fast as the rounds then.
 */
const AHEAD = { rounds: 8, shortMs: 30, shrinking: 0.9 };

/**
 * Cuts over: takes the fence, reads the rest of the stream up to it, applies it, looks again at what
 * differed, and brings uniqueness, validator and expiry into force. Holds capture and replay while
 * it does, and lets them go on when it refuses. Safe to run again: a new attempt takes a new fence.
 */
export async function cutover(
  deps: ActivityDependencies,
  migration: Migration,
  force: readonly string[],
): Promise<CutoverOutcome> {
  const opened = open(deps, migration);
  const status = { doing: 'looking for what speaks against it' };
  return withPulse(
    () => ({ ...status }),
    async (pulse) => {
      const blockers = await findSettledBlockers(opened, migration, force, pulse);
      if (blockers.length > 0) return { refused: blockers };
      const unshaped = await findShapeBlockers(opened, migration, pulse);
      if (unshaped.length > 0) return { refused: unshaped };
      const catalogue = await readSourceCatalogue(opened, pulse.signal);
      const pinnedSource = async (): Promise<Db> => {
        const pinned = await deps.connections.pinned(migration.options.source);
        return pinned.db(opened.source.databaseName);
      };
      status.doing = 'comparing what has changed';
      const recheck = new Recheck({ opened, pinnedSource, force, pulse });
      await compareAhead(opened, recheck);
      status.doing = 'taking over from capture and replay';
      await using session = opened.target.client.startSession({ causalConsistency: false });
      const held = await takeOverReplay(opened.control, session, () => opened.control.hold());
      failpoint('cutover-held');
      if (!held) return { refused: [shapeBlocker([{ what: 'a change that is under way' }])] };
      // Until a successor holds again, the migration must not stand still.
      const release = () => opened.control.release(held.replay.epoch);
      const check = () => opened.control.check('replay', held.replay.epoch);
      const context = { ...finalContext(opened, catalogue, pulse), check };
      const at = { opened, pinnedSource, migration, force, held, session };
      const cut = { ...at, context, recheck, status, pulse };
      const outcome = await cutOver(cut).catch(async (error: unknown) => {
        await release().catch(() => undefined);
        throw error;
      });
      // A refusal that left everything standing would be worse than another try.
      if ('refused' in outcome) await release();
      return outcome;
    },
  );
}

/** A cutover that holds the migration. */
interface Held {
  readonly opened: Opened;
  readonly pinnedSource: () => Promise<Db>;
  readonly migration: Migration;
  readonly force: readonly string[];
  readonly held: ControlDocument;
  readonly session: ClientSession;
  readonly context: FinalContext & Required<Pick<FinalContext, 'check'>>;
  readonly recheck: Recheck;
  readonly status: { doing: string };
  readonly pulse: Pulse;
}

async function cutOver(cut: Held): Promise<CutoverOutcome> {
  const { opened, migration, force, held, session, context, recheck, status, pulse } = cut;
  const { control } = opened;
  // An attempt before this one may have got as far as that.
  const everything = { ...migration.traits.features, collMod: true };
  await relaxFinal(context, planFinal(context.source, everything));

  const fencedAt = new Date();
  const fence = await readOperationTime(opened.source);
  status.doing = `applying the last changes up to ${showTime(fence)}`;
  const drainedEvents = await captureUntil(cut, fence);
  const drainedChanges = await replayRanges({
    ...replayTarget(opened, migration, held, pulse),
    session,
    start: held.replay,
    onProgress: () => pulse.touch(),
  });
  const { refused } = await control.read();
  if (!force.includes('refused') && refused && refused.count > 0) {
    return { refused: refusedBlockers(refused) };
  }

  failpoint('cutover-drained');
  status.doing = 'looking again at what differed';
  const { differences, rechecked } = await recheck.settle(fence);
  const summary = summariseDifferences(differences);
  if (differences.length > 0 && !force.includes('differences')) {
    const { differing, missing, extra, first } = summary;
    const shown = first.map(({ id, kind, field }) => `${id} ${kind}${field ? ` (${field})` : ''}`);
    const message =
      `${differing + missing + extra} documents differ with everything applied ` +
      `(${differing} differ, ${missing} missing, ${extra} extra at the target): ${shown.join(', ')}`;
    return { refused: [{ code: 'differences', message }] };
  }

  status.doing = 'bringing indexes and options into force';
  const settled = await settleShape(opened, migration, context.source, pulse, context.check);
  if ('refused' in settled) return settled;
  const final = { ...context, source: settled.source };
  const plan = planFinal(settled.source, settled.features);
  try {
    await enforceFinal(final, plan);
  } catch (error) {
    await relaxFinal(final, plan).catch(() => undefined);
    const isRefusal = error instanceof PermanentError && error.type === errorTypes.cutoverRefused;
    if (!isRefusal) throw error;
    return { refused: [{ code: 'indexes', message: error.message }] };
  }
  failpoint('cutover-enforced');
  const openedAt = new Date();
  const [{ capture, replay }, copied] = await Promise.all([
    control.read(),
    opened.plan.summarise(),
  ]);
  const report: CutoverReport = {
    fence: showTime(fence),
    fencedAt: fencedAt.toISOString(),
    openedAt: openedAt.toISOString(),
    downtimeMs: openedAt.getTime() - fencedAt.getTime(),
    drainedEvents,
    drainedChanges,
    rechecked,
    differences: summary,
    ...(refused && refused.count > 0 && { refused }),
    captured: capture.events,
    applied: replay.events,
    copied: { documents: copied.written, bytes: copied.readBytes },
    buffered: { changes: capture.buffered, bytes: capture.bytes },
  };
  await control.record({ fence });
  return { done: report };
}

/**
 * Converts prepared indexes to unique ones, while applications write, and compares the indexes and
 * options of both sides when that is done. Safe to run again.
 * @returns nothing when the source collection is gone by now.
 */
export async function convertIndexes(
  deps: ActivityDependencies,
  migration: Migration,
): Promise<CatalogueReport | undefined> {
  const opened = open(deps, migration);
  return withPulse(
    () => ({ doing: 'converting unique indexes' }),
    async (pulse) => {
      // A scan of one index takes long on a large collection and says nothing meanwhile.
      const alive = setInterval(() => pulse.touch(), 10_000);
      try {
        const { source, sourceCollection } = opened;
        const catalogue = await readCatalogue(source, sourceCollection, pulse.signal);
        if (!catalogue) return undefined;
        const plan = planFinal(catalogue, migration.traits.features);
        await convertUnique(finalContext(opened, catalogue, pulse), plan);
        return await compareShapes(opened, catalogue, pulse);
      } finally {
        clearInterval(alive);
      }
    },
  );
}

/**
 * Compares what has changed while capture and replay still go on: what a round takes the next one has
 * to do, so they become shorter. Whatever is done here is not done after the fence.
 */
async function compareAhead({ control }: Opened, recheck: Recheck): Promise<void> {
  let last = Number.POSITIVE_INFINITY;
  for (let round = 0; round < AHEAD.rounds; round++) {
    const begun = performance.now();
    await recheck.compareChanged(await control.read());
    const took = performance.now() - begun;
    if (took < AHEAD.shortMs || took > last * AHEAD.shrinking) return;
    last = took;
  }
}

async function captureUntil(
  { opened, pinnedSource, migration: { traits }, held, pulse: { signal, touch } }: Held,
  fence: Timestamp,
): Promise<number> {
  const { sourceCollection, target, targetCollection, control } = opened;
  const start = held.capture.through ?? held.startToken;
  if (!start) throw new Error('the control document has no token to start from');
  let drained = 0;
  await captureChanges({
    source: await pinnedSource(),
    collection: sourceCollection,
    buffer: new Buffered(target, targetCollection, held.bufferUuid),
    start,
    until: fence,
    natural: traits.capped,
    maxAwaitMs: MAX_AWAIT_MS,
    signal,
    touch,
    onCommit: async ({ token, time, asOf, events, buffered, bytes }) => {
      touch();
      drained += events;
      await control.advance(
        'capture',
        held.capture.epoch,
        { through: token, time, asOf },
        { events, buffered, bytes },
      );
    },
  });
  return drained;
}

async function compareShapes(
  { target, targetCollection }: Opened,
  source: Catalogue,
  { signal }: Pulse,
): Promise<CatalogueReport> {
  const found = await readCatalogue(target, targetCollection, signal);
  const differences = found ? compareCatalogues(source, found) : [];
  return {
    indexes: source.indexes.length,
    options: source.options.size,
    differences: differences.map(
      ({ what, source: here, target: there }) => `${what}: source ${here}, target ${there}`,
    ),
  };
}

function finalContext(
  { target, targetCollection }: Opened,
  source: FinalContext['source'],
  { signal, touch }: Pulse,
): FinalContext {
  return { db: target, collection: targetCollection, source, signal, onProgress: touch };
}

function showTime(time: Timestamp): string {
  return `${time.getHighBitsUnsigned()}.${time.getLowBitsUnsigned()}`;
}
