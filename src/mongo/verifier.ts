import { setTimeout as sleep } from 'node:timers/promises';
import type { Timestamp } from 'mongodb';
import {
  BATCH_DOCUMENTS,
  type Compared,
  compareDocuments,
  compareIds,
  explainDifferences,
  MAX_DIFFERENCES,
  type DocumentDifference,
  type Side,
} from './compare.js';
import { errorTypes, TransientError } from '../errors.js';
import { type Control, FencedError } from './control.js';
import type { ControlDocument } from './control-document.js';
import type { CopyPlan } from './copy-plan.js';
import { readOperationTime } from './operation-time.js';
import { type PaceClock, type ReadLimits, ReadPace } from './pace.js';
import { partitionFilter } from './partitions.js';
import { type Range, readRange } from './range.js';
import type { RawValue } from './raw.js';
import { timestampMs, tokenTime } from './token.js';
import { CHANGED, type Verification, type VerifiedPartition } from './verification.js';

const POLL_MS = 250;
/** Between two looks for changed documents, in ms: what a cutover has to compare is about so old. */
export const FOLLOW_MS = 1_000;
/**
 * Changes whose documents are compared in one go. Each go waits twice until the replay has passed the
 * present, so with a lag of seconds small ones would fall behind the writers.
 */
const FOLLOW_LIMITS = { events: 50_000, bytes: Number.POSITIVE_INFINITY };
/** Times that a difference has to be found again, each after replay has passed the last look. */
const LOOKS = 2;

/** What is compared, and where what was found is kept. */
export interface VerifierContext {
  readonly source: Side;
  readonly target: Side;
  readonly control: Control;
  readonly plan: Pick<CopyPlan, 'get'>;
  readonly verification: Verification;
  /** Epoch of this attempt, of `Control.beginVerification`. */
  readonly epoch: number;
  readonly signal: AbortSignal;
  /** Called when the work has moved. */
  readonly touch: () => void;
  /**
   * How fast partitions are read. Documents that change are not limited: there are as many as
   * applications write, and a comparison that falls behind them would never end.
   */
  readonly limits?: ReadLimits;
  /** The time, but for tests. */
  readonly clock?: PaceClock;
}

/**
 * Compares both sides while writers write and replay applies. Two things together leave nothing
 * out: every partition is compared once, and every document that changes after that began is
 * compared again, once its change is applied: the buffer keeps its changes until then. A document
 * that is not the same when it is looked at may only be young. It is a difference when it is still
 * the same difference after replay has passed the moment of reading; if the source's document has
 * changed by then, its change is still in the buffer and it comes up again.
 */
export class Verifier {
  readonly #context: VerifierContext;
  readonly #clock: Required<PaceClock>;
  readonly #pace: ReadPace;
  readonly #batchSize: number;
  #followedAt = Number.NEGATIVE_INFINITY;

  constructor(context: VerifierContext) {
    const { limits = {}, clock, signal } = context;
    this.#context = context;
    this.#clock = {
      wait: clock?.wait ?? ((ms) => sleep(ms, undefined, { signal })),
      now: clock?.now ?? Date.now,
    };
    this.#pace = new ReadPace(limits, { ...this.#clock, wait: (ms) => this.#rest(ms) });
    // The server forgets a cursor that nobody has read from for half an hour.
    this.#batchSize = Math.min(BATCH_DOCUMENTS, limits.documentsPerSecond ?? BATCH_DOCUMENTS);
  }

  /**
   * Compares one partition of the copy's plan within the limits and records what it has found. Changes
   * are followed beside it: what waits for its comparison waits in the buffer, and a cutover for it.
   * @throws TransientError when more differs than is worth keeping; what was found is recorded.
   */
  async comparePartition(
    index: number,
    onProgress: (compared: Compared) => void,
  ): Promise<VerifiedPartition> {
    const { source, target, plan, verification, signal, touch } = this.#context;
    const filter = partitionFilter(await plan.get(index));
    const { compared, differences, isWhole } = await compareDocuments(
      source,
      target,
      filter,
      signal,
      async (read, step) => {
        touch();
        onProgress(read);
        await this.#followWhenDue();
        await this.#pace.spend(step);
      },
      this.#batchSize,
    );
    const standing = await this.#confirm(differences.map(({ id }) => id));
    await this.#checkEpoch();
    if (!isWhole) {
      if (standing.length > 0) await verification.replaceOpen(index, standing);
      throw new TransientError(
        errorTypes.tooManyDifferences,
        `more than ${MAX_DIFFERENCES} documents differ in one part of the collection: something other ` +
          'than this migration writes to the target, or the replay lags far behind',
      );
    }
    await verification.record(index, compared, standing);
    return compared;
  }

  /**
   * Compares the documents of all changes that are applied by now and were not compared yet.
   * @returns how many.
   */
  async follow(): Promise<number> {
    const { control, epoch, target, signal, touch } = this.#context;
    this.#followedAt = this.#clock.now();
    const state = await control.read();
    let documents = 0;
    for await (const { ids, range } of readUncompared(target, state, signal)) {
      const standing = await this.#confirm(ids);
      if (standing.length > 0) await this.#addOpen(standing);
      documents += ids.length;
      const end = new Date(timestampMs(tokenTime(range.end)));
      const asOf = range.last ? (state.replay.asOf ?? end) : end;
      // What was found is recorded: from here on the buffer may forget these changes.
      await control.advance('verify', epoch, { through: range.end, asOf });
      touch();
    }
    return documents;
  }

  /** Looks again at the differences that are known; those that are gone are forgotten. */
  async lookAgain(): Promise<void> {
    const { verification } = this.#context;
    for (const [partition, differences] of await verification.open()) {
      const standing = await this.#confirm(differences.map(({ id }) => id));
      await this.#checkEpoch();
      await verification.replaceOpen(partition, standing);
    }
  }

  async #followWhenDue(): Promise<void> {
    if (this.#clock.now() - this.#followedAt >= FOLLOW_MS) await this.follow();
  }

  /** Waits for the limit; changes are followed meanwhile, however long that is. */
  async #rest(ms: number): Promise<void> {
    this.#context.touch();
    await this.#followWhenDue();
    await this.#clock.wait(ms);
  }

  async #confirm(ids: readonly RawValue[]): Promise<readonly DocumentDifference[]> {
    const { source, target, signal, touch } = this.#context;
    let standing = await compareIds(source, target, ids, signal);
    for (let look = 0; look < LOOKS && standing.length > 0; look++) {
      await this.#untilApplied(await readOperationTime(source.db));
      const before = new Map(standing.map((difference) => [difference.id.key, difference]));
      const again = await compareIds(
        source,
        target,
        standing.map(({ id }) => id),
        signal,
      );
      standing = again.filter((difference) => isSame(difference, before.get(difference.id.key)));
      touch();
    }
    return explainDifferences(source, target, standing, signal);
  }

  async #addOpen(differences: readonly DocumentDifference[]): Promise<void> {
    const { verification } = this.#context;
    const known = (await verification.open()).get(CHANGED) ?? [];
    const keys = new Set(differences.map(({ id }) => id.key));
    await this.#checkEpoch();
    await verification.replaceOpen(CHANGED, [
      ...known.filter(({ id }) => !keys.has(id.key)),
      ...differences,
    ]);
  }

  /** Waits until everything up to a cluster time of the source is applied at the target. */
  async #untilApplied(time: Timestamp): Promise<void> {
    const { control, signal, touch } = this.#context;
    for (;;) {
      const { replay } = await control.read();
      if (replay.time?.greaterThanOrEqual(time)) return;
      touch();
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  async #checkEpoch(): Promise<void> {
    const { verify } = await this.#context.control.read();
    if (verify?.epoch !== this.#context.epoch) throw new FencedError('verify');
  }
}

/** A stretch of changes, and the `_id`s in it, each once. */
interface Uncompared {
  readonly range: Range;
  readonly ids: readonly RawValue[];
}

/**
 * Gives what is applied and was not compared yet by this state, many thousands of changes at a time;
 * nothing when the comparison has not begun.
 */
export async function* readUncompared(
  { db, collection }: Side,
  { replay, verify }: Pick<ControlDocument, 'replay' | 'verify'>,
  signal: AbortSignal,
): AsyncGenerator<Uncompared> {
  let after = verify?.through;
  while (after !== undefined && replay.through !== undefined && after < replay.through) {
    const range = await readRange(db, collection, after, replay.through, FOLLOW_LIMITS, signal);
    const ids = new Map(range.changes.map(({ id }) => [id.key, id]));
    yield { range, ids: [...ids.values()] };
    after = range.end;
  }
}

function isSame(one: DocumentDifference, other: DocumentDifference | undefined): boolean {
  return (
    other !== undefined &&
    other.sourceHash === one.sourceHash &&
    other.targetHash === one.targetHash
  );
}
