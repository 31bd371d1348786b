import { setTimeout as sleep } from 'node:timers/promises';
import {
  BATCH_DOCUMENTS,
  type Compared,
  compareDocuments,
  compareIds,
  MAX_DIFFERENCES,
  type DocumentDifference,
  type Side,
} from './compare.js';
import { errorTypes, TransientError } from '../errors.js';
import { type Control, FencedError } from './control.js';
import type { CopyPlan } from './copy-plan.js';
import { isAllApplied } from './lag.js';
import { readOperationTime } from './operation-time.js';
import { type PaceClock, type ReadLimits, ReadPace } from './pace.js';
import { partitionFilter } from './partitions.js';
import type { RawValue } from './raw.js';
import { timestampMs, tokenTime } from './token.js';
import { readUncompared } from './uncompared.js';
import { YoungDifferences } from './young-differences.js';
import {
  CHANGED,
  type OpenDifferences,
  type Verification,
  type VerifiedPartition,
} from './verification.js';

const POLL_MS = 250;
/** Between two looks for changed documents while some change, in ms: what a cutover has to compare is about so old. */
export const FOLLOW_MS = 1_000;
/** Young differences above which nothing more is read until some are settled: bounds memory. */
const MOST_YOUNG = 50_000;

/** Open differences above which no others are looked for: an attempt holds all of them in memory. */
const MOST_OPEN = 100_000;

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
  /** Told of what was compared of a partition since it was last told. */
  readonly onCompared?: (step: Compared) => void;
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
  readonly #young: YoungDifferences;
  /** Work whose differences are young; the changes among it in stream order. */
  #pending: Pending[] = [];
  /** Position in the stream up to which changes were looked at by this attempt. */
  #seenThrough: string | undefined;
  /** Changes that were applied when all of them had been looked at. */
  #seenEvents: number | undefined;
  #isHeld = false;
  #isThere = false;
  #followedAt = Number.NEGATIVE_INFINITY;

  constructor(context: VerifierContext) {
    const { limits = {}, clock, signal } = context;
    this.#context = context;
    this.#young = new YoungDifferences(context.source, context.target, signal, context.touch);
    this.#clock = {
      wait: clock?.wait ?? ((ms) => sleep(ms, undefined, { signal })),
      now: clock?.now ?? Date.now,
    };
    this.#pace = new ReadPace(limits, { ...this.#clock, wait: (ms) => this.#rest(ms) });
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
    const before = (await this.#open()).get(index)?.sets ?? [];
    const { compared, differences, isWhole } = await compareDocuments(
      source,
      target,
      filter,
      signal,
      async (read, step) => {
        touch();
        onProgress(read);
        this.#context.onCompared?.(step);
        await this.#followWhenDue();
        while (this.#isHeld) await this.#pause();
        await this.#pace.spend(step);
      },
      // The server forgets a cursor that nobody has read from for half an hour.
      { batchSize: this.#pace.batchSize(BATCH_DOCUMENTS) },
    );
    if (!isWhole) {
      const standing = await this.#confirm(differences.map(({ id }) => id));
      await this.#checkEpoch();
      if (standing.length > 0) await verification.replaceOpen(index, standing, before);
      throw tooMany(`${MAX_DIFFERENCES} documents differ in one part of the collection`);
    }
    const found = await this.#compareNow(differences.map(({ id }) => id));
    if (found.length > 0) await this.#checkEpoch();
    const young = await verification.keepYoung(index, found);
    await this.#settleLater(found, {}, async (standing) => {
      await this.#checkEpoch();
      await verification.record(index, compared, standing, before);
      await verification.forgetYoung(young);
    });
    while (this.#young.count > MOST_YOUNG) await this.#pause();
    return compared;
  }

  /** Looks again at what an attempt before this one had found in partitions and not settled, or found too much of. */
  async takeOver(): Promise<void> {
    const { verification } = this.#context;
    if (countOf(await verification.open()) > MOST_OPEN) await this.lookAgain();
    const { differences, sets } = await verification.young();
    if (sets.length === 0) return;
    const found = await this.#compareNow(differences.map(({ id }) => id));
    await this.#settleLater(found, {}, async (standing) => {
      if (standing.length > 0) await this.#addOpen(standing);
      await verification.forgetYoung(sets);
    });
  }

  /**
   * Compares the documents of all changes that are applied by now and were not compared yet. What differs
   * is looked at again by later calls; until it is settled the buffer keeps the changes from there on.
   * @returns how many.
   */
  async follow(): Promise<number> {
    const { control, source, target, signal, touch } = this.#context;
    this.#followedAt = this.#clock.now();
    const document = await control.read();
    const { replay, verify, holder } = document;
    // What is left is the cutover's own to compare, and applications wait for it.
    this.#isHeld = holder === 'cutover';
    this.#isThere = isAllApplied(document);
    if (this.#isHeld) return 0;
    await this.#young.look(replay.time);
    if (this.#young.count > MOST_YOUNG) return 0;
    let documents = 0;
    const through = this.#seenThrough ?? verify?.through;
    const state = { replay, ...(verify && { verify: { ...verify, ...(through && { through }) } }) };
    // The position alone has moved since.
    const isQuiet = replay.events === this.#seenEvents;
    let isWhole = true;
    for await (const { ids, range } of readUncompared(target, state, signal, {
      isEmpty: isQuiet,
    })) {
      const events = range.last ? { events: replay.events } : {};
      const end = new Date(timestampMs(tokenTime(range.end)));
      const asOf = range.last ? (replay.asOf ?? end) : end;
      const after = tokenTime(range.end);
      const differences = await compareIds(source, target, ids, signal, { touch, after });
      await this.#settleLater(
        differences,
        { through: range.end, asOf, ...events },
        async (standing) => {
          if (standing.length > 0) await this.#addOpen(standing);
        },
      );
      this.#seenThrough = range.end;
      documents += ids.length;
      touch();
      isWhole = range.last;
      if (this.#young.count > MOST_YOUNG) break;
    }
    if (isWhole) this.#seenEvents = replay.events;
    await this.#advance();
    return documents;
  }

  /** Returns once it is settled what was found until now. */
  async settle(): Promise<void> {
    const pending = [...this.#pending];
    while (pending.some(({ settled }) => !settled)) await this.#pause();
  }

  /** Looks again at the differences that are known; those that are gone are forgotten. */
  async lookAgain(): Promise<void> {
    const { verification } = this.#context;
    for (const [partition, { differences, sets }] of await verification.open()) {
      const standing = await this.#confirm(differences.map(({ id }) => id));
      await this.#checkEpoch();
      await verification.replaceOpen(partition, standing, sets);
    }
  }

  /** Whether something that differed when it was looked at has to be looked at again. */
  get isSettling(): boolean {
    return this.#young.count > 0;
  }

  /** Whether everything that had been captured was applied, and looked at, when it was last followed. */
  get hasFollowedAll(): boolean {
    return this.#isThere && !this.#isHeld && !this.isSettling;
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

  async #pause(): Promise<void> {
    const { signal, touch } = this.#context;
    touch();
    await this.follow();
    await sleep(POLL_MS, undefined, { signal });
  }

  async #settleLater(
    differences: readonly DocumentDifference[],
    position: Pick<Pending, 'through' | 'asOf' | 'events'>,
    onSettled: (standing: readonly DocumentDifference[]) => Promise<void>,
  ): Promise<void> {
    const pending: Pending = { ...position, settled: false };
    this.#pending.push(pending);
    await this.#young.add(differences, async (standing) => {
      await onSettled(standing);
      pending.settled = true;
    });
  }

  /** Moves on past the changes that are settled: from there on the buffer may forget them. */
  async #advance(): Promise<void> {
    const { control, epoch } = this.#context;
    const open = this.#pending.findIndex(({ through, settled }) => through && !settled);
    const passed = open < 0 ? this.#pending : this.#pending.slice(0, open);
    const partitions = passed.filter(({ settled }) => !settled);
    this.#pending = [...partitions, ...this.#pending.slice(passed.length)];
    const last = passed.findLast(({ through }) => through !== undefined);
    if (!last) return;
    const { through, asOf, events } = last;
    await control.advance('verify', epoch, {
      through,
      asOf,
      ...(events !== undefined && { events }),
    });
  }

  /** The differences of documents that stand when they are waited for. */
  async #confirm(ids: readonly RawValue[]): Promise<readonly DocumentDifference[]> {
    const { control, source, target, signal, touch } = this.#context;
    const young = new YoungDifferences(source, target, signal, touch);
    const settled: DocumentDifference[] = [];
    const found = await this.#compareNow(ids);
    await young.add(found, async (standing) => void settled.push(...standing));
    while (young.count > 0) {
      touch();
      await sleep(POLL_MS, undefined, { signal });
      await young.look((await control.read()).replay.time);
    }
    return settled;
  }

  /** Compares documents as they are from now on: a member that has just become primary may know less. */
  async #compareNow(ids: readonly RawValue[]): Promise<readonly DocumentDifference[]> {
    const { source, target, signal, touch } = this.#context;
    if (ids.length === 0) return [];
    const after = await readOperationTime(source.db);
    return compareIds(source, target, ids, signal, { touch, after });
  }

  async #addOpen(differences: readonly DocumentDifference[]): Promise<void> {
    const { verification } = this.#context;
    const { differences: known = [], sets = [] } = (await this.#open()).get(CHANGED) ?? {};
    const keys = new Set(differences.map(({ id }) => id.key));
    await this.#checkEpoch();
    await verification.replaceOpen(
      CHANGED,
      [...known.filter(({ id }) => !keys.has(id.key)), ...differences],
      sets,
    );
  }

  /** @throws TransientError when more is open than is worth keeping. */
  async #open(): ReturnType<Verification['open']> {
    const open = await this.#context.verification.open();
    if (countOf(open) > MOST_OPEN) throw tooMany(`${MOST_OPEN} documents differ`);
    return open;
  }

  async #checkEpoch(): Promise<void> {
    const { verify } = await this.#context.control.read();
    if (verify?.epoch !== this.#context.epoch) throw new FencedError('verify');
  }
}

function countOf(open: ReadonlyMap<number, OpenDifferences>): number {
  // One of a partition may be one of those that have changed, too.
  const keys = new Set<string>();
  for (const { differences } of open.values()) for (const { id } of differences) keys.add(id.key);
  return keys.size;
}

function tooMany(what: string): TransientError {
  return new TransientError(
    errorTypes.tooManyDifferences,
    `more than ${what}: something other than this migration writes to the target, or the replay lags far behind`,
  );
}

/** A partition, or a stretch of changes, that is compared but for its young differences. */
interface Pending {
  /** Of a stretch of changes: its end. */
  readonly through?: string;
  readonly asOf?: Date;
  /** Changes that were applied by then, if it is the last of them. */
  readonly events?: number;
  settled: boolean;
}
