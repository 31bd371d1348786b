import { Context } from '@temporalio/activity';
import type { ClientSession, Db, Timestamp } from 'mongodb';
import { countDifferences, refusedBlockers, shapeBlocker } from '../blockers.js';
import { PermanentError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Blocker, CutoverReport, DifferenceSummary, Migration } from '../migration.js';
import { Buffered } from '../mongo/buffer.js';
import { captureChanges } from '../mongo/capture.js';
import { FencedError } from '../mongo/control.js';
import type { ControlDocument } from '../mongo/control-document.js';
import { enforceFinal, type FinalContext, relaxFinal } from '../mongo/final-form.js';
import { type FinalPlan, planFinal } from '../mongo/final-plan.js';
import { replayRanges } from '../mongo/replay-loop.js';
import { takeOverReplay } from '../mongo/takeover.js';
import { summariseDifferences } from '../mongo/verification.js';
import { type ActivityDependencies, open, type Opened, readSourceCatalogue } from './context.js';
import type { Pulse } from './pulse.js';
import { finalContext } from './convert-indexes.js';
import { findForeignTarget, findSettledBlockers, refusalOf } from './cutover-blockers.js';
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

/** When the fence was taken, and when the target was open. */
export interface CutoverTimes {
  readonly fence: Timestamp;
  readonly fencedAt: Date;
  readonly openedAt: Date;
}

/** What holds the migration during its cutover. */
interface Held {
  readonly document: ControlDocument;
  readonly session: ClientSession;
  readonly context: FinalContext & Required<Pick<FinalContext, 'check'>>;
}

/** What `CollectionCutover` works with. */
export interface CollectionCutoverContext {
  readonly deps: ActivityDependencies;
  readonly migration: Migration;
  /** Codes of blockers to overrule. */
  readonly force: readonly string[];
  readonly pulse: Pulse;
}

/**
 * The cutover of one collection, in the stages of which `cutOverTogether` knows the order. Each says what
 * it is refused for; nothing where nothing speaks against it.
 */
export class CollectionCutover implements AsyncDisposable {
  readonly migration: Migration;
  readonly opened: Opened;
  readonly #force: readonly string[];
  readonly #pulse: Pulse;
  readonly #wake: () => void;
  readonly #recheck: Recheck;
  readonly #pinnedSource: () => Promise<Db>;
  #session: ClientSession | undefined;
  #held: Held | undefined;
  #plan: { readonly context: FinalContext; readonly final: FinalPlan } | undefined;
  #isEnforcing = false;
  #drained = { events: 0, changes: 0 };
  #compared: { rechecked: number; differences: DifferenceSummary } | undefined;

  constructor({ deps, migration, force, pulse }: CollectionCutoverContext) {
    this.migration = migration;
    this.opened = open(deps, migration);
    this.#force = force;
    this.#pulse = pulse;
    this.#wake = () => deps.wakeups.wake(migration.runId);
    this.#pinnedSource = async () => {
      const pinned = await deps.connections.pinned(migration.options.source);
      return pinned.db(this.opened.source.databaseName);
    };
    const pinnedSource = this.#pinnedSource;
    this.#recheck = new Recheck({ opened: this.opened, pinnedSource, force, pulse });
  }

  /** Looks for what speaks against it, before anything stands still. */
  async look(): Promise<readonly Blocker[]> {
    // First: without it neither the replay nor a comparison of indexes comes to an end.
    const foreign = await findForeignTarget(this.opened, await this.opened.control.read());
    if (foreign) return [foreign];
    const blockers = await findSettledBlockers(
      this.opened,
      this.migration,
      this.#force,
      this.#pulse,
    );
    if (blockers.length > 0) return blockers;
    return findShapeBlockers(this.opened, this.migration, this.#pulse);
  }

  /** Compares what has changed by now, while capture and replay go on. */
  async compareAhead(): Promise<void> {
    await this.#recheck.compareChanged(await this.opened.control.read());
  }

  /** Takes over from capture and replay, which stand by until `letGo`. */
  async hold(): Promise<readonly Blocker[]> {
    const { opened, migration } = this;
    const { control } = opened;
    const at = scheduledAt();
    const { signal } = this.#pulse;
    const catalogue = await readSourceCatalogue(opened, migration.traits, signal);
    const session = opened.target.client.startSession({ causalConsistency: false });
    this.#session = session;
    await control.checkHold(at);
    failpoint('cutover-checked');
    const document = await takeOverReplay(control, session, () => control.hold(at));
    if (!document) return [shapeBlocker([{ what: 'a change that is under way' }])];
    // The replay stands by from now on, and looks for itself only every few seconds.
    this.#wake();
    const check = () => control.check('replay', document.replay.epoch);
    const context = { ...finalContext(opened, catalogue, this.#pulse), check };
    // An attempt before this one may have got as far as that. Whoever could not take it back does not let go.
    const everything = { ...migration.traits.features, collMod: true };
    await relaxFinal(context, planFinal(context.source, everything));
    this.#held = { document, session, context };
    return [];
  }

  /** Reads the rest of the stream up to the fence, and applies it. */
  async drain(fence: Timestamp): Promise<readonly Blocker[]> {
    const { opened, migration } = this;
    const { document, session } = this.#hold();
    const events = await this.#captureUntil(document, fence);
    if (events === undefined) return [STANDS_STILL];
    const changes = await replayRanges({
      ...replayTarget(opened, migration, document, this.#pulse),
      session,
      start: document.replay,
      onProgress: () => this.#pulse.touch(),
    });
    this.#drained = { events, changes };
    const { refused } = await opened.control.read();
    if (!this.#force.includes('refused') && refused && refused.count > 0) {
      return refusedBlockers(refused);
    }
    const foreign = await findForeignTarget(opened, document);
    return foreign ? [foreign] : [];
  }

  /** Looks again at what differed, and at what has changed since `compareAhead`. */
  async compare(fence: Timestamp): Promise<readonly Blocker[]> {
    const { differences, rechecked } = await this.#recheck.settle(fence);
    const summary = summariseDifferences(differences);
    this.#compared = { rechecked, differences: summary };
    if (differences.length === 0 || this.#force.includes('differences')) return [];
    const { differing, missing, extra, first } = summary;
    const shown = first.map(({ id, kind, field }) => `${id} ${kind}${field ? ` (${field})` : ''}`);
    const message =
      `${countDifferences(summary)} documents differ with everything applied ` +
      `(${differing} differ, ${missing} missing, ${extra} extra at the target): ${shown.join(', ')}`;
    return [{ code: 'differences', message }];
  }

  /** Brings uniqueness, validator and expiry into force. */
  async enforce(): Promise<readonly Blocker[]> {
    const { context } = this.#hold();
    const settled = await settleShape(
      this.opened,
      this.migration,
      context.source,
      this.#pulse,
      context.check,
    );
    if ('refused' in settled) return settled.refused;
    const plan = {
      context: { ...context, source: settled.source },
      final: planFinal(settled.source, settled.features),
    };
    this.#plan = plan;
    this.#isEnforcing = true;
    const refused = await enforceFinal(plan.context, plan.final).then(() => [], refusalOf);
    this.#isEnforcing = false;
    return refused;
  }

  /** Puts the fence on record. @returns what the cutover was. */
  async report({ fence, fencedAt, openedAt }: CutoverTimes): Promise<CutoverReport> {
    const { control, plan } = this.opened;
    const [{ capture, replay, refused, verify }, copied] = await Promise.all([
      control.read(),
      plan.summarise(),
    ]);
    const afterOpening = this.#plan?.final.afterOpening ?? [];
    const indexesOf = (kind: 'convertUnique' | 'rebuild') => ({
      $literal: afterOpening.flatMap((step) => (step.kind === kind ? [step.index] : [])),
    });
    const [prepared, unbuilt] = [indexesOf('convertUnique'), indexesOf('rebuild')];
    await control.recordFence(this.#hold().document.replay.epoch, { fence, prepared, unbuilt });
    const { differences, rechecked = 0 } = this.#compared ?? {};
    return {
      fence: showTime(fence),
      fencedAt: fencedAt.toISOString(),
      openedAt: openedAt.toISOString(),
      downtimeMs: openedAt.getTime() - fencedAt.getTime(),
      drainedEvents: this.#drained.events,
      drainedChanges: this.#drained.changes,
      rechecked,
      ...(verify?.wholeAt && { lastPassAt: verify.wholeAt.toISOString() }),
      ...(differences && { differences }),
      ...(refused && refused.count > 0 && { refused }),
      captured: capture.events,
      applied: replay.events,
      copied: { documents: copied.written, bytes: copied.readBytes },
      buffered: { changes: capture.buffered, bytes: capture.bytes },
    };
  }

  /**
   * Takes back what is in force, so that replay can go on, and lets the migration go on as before, also where an
   * attempt before this one holds it; from now on none can. Does nothing else where nobody does, where a later attempt
   * does, or where its migration is over.
   * @throws Error where `enforce` was cut off: the server may still be about to do what nobody waits for any more. The
   *   migration stays held, until the next attempt holds it anew and takes all of that back.
   */
  async letGo(): Promise<void> {
    try {
      await this.opened.control.bar(scheduledAt());
      const held = this.#held ?? (await this.#takeBack());
      if (!held) return;
      if (this.#isEnforcing) throw new Error('the cutover was cut off among its last steps');
      if (this.#plan) await relaxFinal(this.#plan.context, this.#plan.final);
      await this.opened.control.release(held.document.replay.epoch);
    } catch (error) {
      if (!(error instanceof PermanentError || error instanceof FencedError)) throw error;
    }
  }

  /** Holds what an attempt before this one holds; nothing where none does. @throws Error where it cannot yet */
  async #takeBack(): Promise<Held | undefined> {
    const { control } = this.opened;
    const { holder, replay } = await control.read();
    if (holder !== 'cutover') return undefined;
    try {
      await this.hold();
    } catch (error) {
      // No attempt can, as when the source is gone: the capture has to find that out, which says so.
      if (error instanceof PermanentError) await control.release(replay.epoch);
      throw error;
    }
    return this.#hold();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session?.endSession();
  }

  #hold(): Held {
    if (!this.#held) throw new Error('the cutover does not hold the migration');
    return this.#held;
  }

  /** @returns events read; nothing when the stream does not come to the fence. */
  async #captureUntil(held: ControlDocument, fence: Timestamp): Promise<number | undefined> {
    const { sourceCollection, target, targetCollection, control } = this.opened;
    const { signal, touch } = this.#pulse;
    const start = held.capture.through ?? held.startToken;
    if (!start) throw new Error('the control document has no token to start from');
    let drained = 0;
    let reached: Timestamp | undefined;
    let movedAt = Date.now();
    let hasGivenUp = false;
    const capturing = captureChanges({
      source: await this.#pinnedSource(),
      collection: sourceCollection,
      buffer: await Buffered.open(target, targetCollection, held.bufferUuid),
      start,
      until: fence,
      natural: this.migration.traits.capped,
      clustered: this.migration.traits.clustered,
      mayRead: () => {
        hasGivenUp = Date.now() - movedAt > FENCE_PATIENCE_MS;
        return !hasGivenUp;
      },
      maxAwaitMs: MAX_AWAIT_MS,
      signal,
      touch,
      // Applications wait: a source that takes long to answer does not come to the fence in time either.
      onWait: async () => {
        if (Date.now() - movedAt > FENCE_PATIENCE_MS) throw new NotReachedError();
      },
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
    try {
      await capturing;
    } catch (error) {
      if (!(error instanceof NotReachedError)) throw error;
      hasGivenUp = true;
    }
    return hasGivenUp ? undefined : drained;
  }
}

/** When this attempt was scheduled, by Temporal's clock. */
function scheduledAt(): Date {
  return new Date(Context.current().info.currentAttemptScheduledTimestampMs);
}

/** The change stream has not come to the fence in time. */
class NotReachedError extends Error {}

/** A cluster time as people read it, `seconds.increment`. */
export function showTime(time: Timestamp): string {
  return `${time.getHighBitsUnsigned()}.${time.getLowBitsUnsigned()}`;
}
