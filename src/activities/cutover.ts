import type { ClientSession, Db, Timestamp } from 'mongodb';
import { refusedBlockers, shapeBlocker } from '../blockers.js';
import { errorTypes, PermanentError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Blocker, CutoverOutcome, CutoverReport, Migration } from '../migration.js';
import { Buffered } from '../mongo/buffer.js';
import { captureChanges } from '../mongo/capture.js';
import { readUuid } from '../mongo/catalogue.js';
import type { ControlDocument } from '../mongo/control-document.js';
import {
  enforceFinal,
  type FinalContext,
  relaxFinal,
  ShapeRefusedError,
} from '../mongo/final-form.js';
import { planFinal } from '../mongo/final-plan.js';
import { readFence } from '../mongo/operation-time.js';
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
import { finalContext } from './convert-indexes.js';
import { findSettledBlockers } from './cutover-blockers.js';
import { replayTarget } from './replay.js';
import { Recheck } from './recheck.js';
import { findShapeBlockers, settleShape } from './settle-shape.js';

/** A change stream that stays before the fence for so long is not waited for: nobody may write meanwhile (ms). */
const FENCE_PATIENCE_MS = 60_000;
const STANDS_STILL: Blocker = {
  code: 'stalled',
  message:
    `the change stream has stood still for ${FENCE_PATIENCE_MS / 1000} s before it came to the fence: does the ` +
    'member of the source that is read from replicate?',
};
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
  const fence = await readFence(opened.source, pulse.signal);
  status.doing = `applying the last changes up to ${showTime(fence)}`;
  const drainedEvents = await captureUntil(cut, fence);
  if (drainedEvents === undefined) return { refused: [STANDS_STILL] };
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

  const blocker = await findForeignTarget(opened, held);
  if (blocker) return { refused: [blocker] };

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
    if (error instanceof ShapeRefusedError) return { refused: [shapeBlocker([error])] };
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
  const prepared = plan.afterOpening.flatMap((step) =>
    step.kind === 'convertUnique' ? [step.index] : [],
  );
  await control.record({ fence, prepared: { $literal: prepared } });
  return { done: report };
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

/** @returns events read; nothing when the stream does not come to the fence. */
async function captureUntil(
  { opened, pinnedSource, migration: { traits }, held, pulse: { signal, touch } }: Held,
  fence: Timestamp,
): Promise<number | undefined> {
  const { sourceCollection, target, targetCollection, control } = opened;
  const start = held.capture.through ?? held.startToken;
  if (!start) throw new Error('the control document has no token to start from');
  let drained = 0;
  let reached: Timestamp | undefined;
  let movedAt = Date.now();
  let hasGivenUp = false;
  await captureChanges({
    source: await pinnedSource(),
    collection: sourceCollection,
    buffer: await Buffered.open(target, targetCollection, held.bufferUuid),
    start,
    until: fence,
    natural: traits.capped,
    mayRead: () => {
      hasGivenUp = Date.now() - movedAt > FENCE_PATIENCE_MS;
      return !hasGivenUp;
    },
    maxAwaitMs: MAX_AWAIT_MS,
    signal,
    touch,
    onCommit: async ({ token, time, asOf, events, buffered, bytes }) => {
      touch();
      if (!reached || time.greaterThan(reached)) movedAt = Date.now();
      reached = time;
      drained += events;
      await control.advance(
        'capture',
        held.capture.epoch,
        { through: token, time, asOf },
        { events, buffered, bytes },
      );
    },
  });
  return hasGivenUp ? undefined : drained;
}

/** Says that the collection at the target is not the one that was copied; nothing when it is. */
async function findForeignTarget(
  { target, targetCollection }: Pick<Opened, 'target' | 'targetCollection'>,
  { stagingUuid }: Pick<ControlDocument, 'stagingUuid'>,
): Promise<Blocker | undefined> {
  const found = await readUuid(target, targetCollection);
  if (!stagingUuid || found?.equals(stagingUuid)) return undefined;
  const name = `${target.databaseName}.${targetCollection}`;
  const message =
    `${name} at the target is not the collection that was copied: somebody has dropped ` +
    `${found ? 'and made it again' : 'it'} while the migration ran; send "restart", which copies it anew` +
    (found ? ', and drop or rename what has its name' : '');
  return { code: 'target', message };
}

function showTime(time: Timestamp): string {
  return `${time.getHighBitsUnsigned()}.${time.getLowBitsUnsigned()}`;
}
