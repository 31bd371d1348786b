import { setTimeout as sleep } from 'node:timers/promises';
import { MongoServerError, type UUID } from 'mongodb';
import { type Catalogue, errorCode, readCatalogue } from './catalogue.js';
import { type Control, FencedError } from './control.js';
import type { ShapeDifference } from './control-document.js';
import type { RawValue } from './raw.js';
import { carryStep, readShape, type ShapeSides } from './shape.js';
import type { ShapeFeatures, ShapeStep } from './shape-plan.js';
import { shorten } from '../shorten.js';

/** A statement that takes something away is sent within this time of its announcement, or never. */
const SEND_MS = 10_000;
/** The server ends it after this time, in ms. */
const RUN_MS = 10_000;
/** After this time an announced statement cannot come any more, whatever became of its sender. */
const GONE_MS = SEND_MS + RUN_MS + 10_000;
const POLL_MS = 250;
/** While the source stays as it is, a target that was alike is not looked at for so long, in ms: a cutover waits for longer. */
const ALIKE_MS = 9_500;
/** What the target has refused is tried again after the first time, then twice that, and so on. */
const RETRY_MS = { first: 2_000, longest: 60_000 };

/** A build of an index was ended, because the source no longer has it. */
const INDEX_BUILD_ABORTED = 276;
/** `collMod` has to wait for the end of every build on the collection. */
const BUILD_UNDER_WAY = 12587;

/** What a follower works on. */
export interface ShapeFollowing extends ShapeSides {
  readonly control: Control;
  readonly epoch: number;
  readonly features: ShapeFeatures;
  readonly signal: AbortSignal;
  /** Source collection that is followed, once it is known. */
  readonly sourceUuid?: UUID | undefined;
}

/** How a step has gone so far. */
interface Attempt {
  running: boolean;
  failures: number;
  /** Time from which it may be tried again, in ms since 1970. */
  notBefore: number;
  problem?: string;
}

/**
 * Gives the target the indexes and options that the source has, round by round. A late statement of
 * a predecessor is mended by the next round; that none comes after a cutover is what announcing is
 * for. Builds run beside the rounds, so that one that takes hours can be given up.
 */
export class ShapeFollower {
  readonly #following: ShapeFollowing;
  readonly #attempts = new Map<string, Attempt>();
  #sourceUuid: UUID | undefined;
  /** What the source was like when both sides were alike, and for how long that need not be looked at (ms since 1970). */
  #alike: { readonly source: string; readonly until: number } | undefined;
  /** What a build failed with other than by the server's answer. */
  #broken: unknown;

  constructor(following: ShapeFollowing) {
    this.#following = following;
    this.#sourceUuid = following.sourceUuid;
  }

  /** Waits until a statement that a predecessor has announced cannot come any more. */
  async settle(onWait: () => void): Promise<void> {
    const { control, epoch, signal } = this.#following;
    const begun = performance.now();
    for (;;) {
      const { shape } = await control.read();
      if (!shape?.change) return;
      // The clock of the one who announced it may be ahead of this one.
      const isOld = Date.now() - shape.change.at.getTime() > GONE_MS;
      if (isOld || performance.now() - begun > GONE_MS) break;
      onWait();
      await sleep(POLL_MS, undefined, { signal });
    }
    await control.advance('shape', epoch, { change: null });
  }

  /**
   * Compares both sides once and begins what is to be done.
   * @returns what the target does not have yet.
   * @throws FencedError when the cutover or another attempt has taken over.
   */
  async round(): Promise<readonly ShapeDifference[]> {
    const { control, epoch, features, signal } = this.#following;
    if (await this.#isAlikeStill()) return [];
    const { shape } = await control.read();
    if (shape?.epoch !== epoch) throw new FencedError('shape');
    if (this.#broken !== undefined) throw this.#broken;
    const now = await readShape(this.#following, features, signal);
    // The capture ends the migration of a source that is gone.
    if (!now) return shape.left ?? [];
    const foreign = await this.#findForeign(now.source.uuid);
    if (foreign) return [foreign];
    const keys = new Set(now.steps.map(({ key }) => key));
    for (const key of this.#attempts.keys()) if (!keys.has(key)) this.#attempts.delete(key);
    for (const step of now.steps) await this.#begin(step);
    const isAlike = now.steps.length === 0;
    this.#alike = isAlike
      ? { source: textOf(now.source), until: Date.now() + ALIKE_MS }
      : undefined;
    return this.#describe(now.steps);
  }

  async #isAlikeStill(): Promise<boolean> {
    if (!this.#alike || Date.now() >= this.#alike.until) return false;
    const { source, sourceCollection, signal } = this.#following;
    const now = await readCatalogue(source, sourceCollection, signal);
    return now !== undefined && textOf(now) === this.#alike.source;
  }

  async #findForeign(uuid: UUID | undefined): Promise<ShapeDifference | undefined> {
    const { control, epoch } = this.#following;
    if (uuid && !this.#sourceUuid) {
      await control.advance('shape', epoch, { sourceUuid: uuid });
      this.#sourceUuid = uuid;
    }
    if (!uuid || this.#sourceUuid?.equals(uuid)) return undefined;
    const problem = 'another collection has its name at the source by now: start a new migration';
    return { what: 'collection', problem };
  }

  async #begin(step: ShapeStep): Promise<void> {
    const { control, epoch, signal } = this.#following;
    const attempt = this.#attempts.get(step.key);
    if (attempt?.running || (attempt && attempt.notBefore > Date.now())) return;
    const next: Attempt = { running: true, failures: attempt?.failures ?? 0, notBefore: 0 };
    if (attempt?.problem !== undefined) next.problem = attempt.problem;
    this.#attempts.set(step.key, next);
    switch (step.kind) {
      case 'impossible':
        next.problem = step.problem;
        return undefined;
      case 'create':
        // It adds what is missing: one that comes late does no harm and needs no announcement.
        await control.advance('shape', epoch, {});
        void this.#carry(step, next, () => carryStep(this.#following, step, { signal })).catch(
          (error: unknown) => (this.#broken = error),
        );
        return undefined;
      default:
        return this.#carry(step, next, () => this.#announced(step));
    }
  }

  async #carry(step: ShapeStep, attempt: Attempt, run: () => Promise<void>): Promise<void> {
    try {
      await run();
      delete attempt.problem;
    } catch (error) {
      if (!(error instanceof MongoServerError)) throw error;
      if (errorCode(error) === INDEX_BUILD_ABORTED || errorCode(error) === BUILD_UNDER_WAY) {
        this.#attempts.delete(step.key);
        return;
      }
      attempt.problem = shorten(error.message);
    }
    attempt.failures += 1;
    const wait = RETRY_MS.first * 2 ** (attempt.failures - 1);
    attempt.notBefore = Date.now() + Math.min(RETRY_MS.longest, wait);
    attempt.running = false;
  }

  /** Runs a statement that takes something away, so that no cutover begins before it has ended. */
  async #announced(step: ShapeStep): Promise<void> {
    const { control, epoch, signal } = this.#following;
    const limit = AbortSignal.timeout(SEND_MS);
    const at = new Date();
    await control.advance('shape', epoch, { change: { what: step.what, at } });
    // After a standstill of this process the timer may not have been heard yet.
    if (Date.now() - at.getTime() > SEND_MS) throw new FencedError('shape');
    try {
      const options = { signal: AbortSignal.any([signal, limit]), maxTimeMS: RUN_MS };
      await carryStep(this.#following, step, options);
    } catch (error) {
      // Without an answer it may still run: then a successor waits until it cannot.
      if (!(error instanceof MongoServerError)) throw error;
      await control.advance('shape', epoch, { change: null });
      throw error;
    }
    await control.advance('shape', epoch, { change: null });
  }

  #describe(steps: readonly ShapeStep[]): readonly ShapeDifference[] {
    const left = new Map<string, ShapeDifference>();
    for (const { what, key } of steps) {
      const attempt = this.#attempts.get(key);
      const done = attempt && attempt.failures > 0 && !attempt.running;
      const unseen = done ? 'the target took it but still differs' : undefined;
      const problem = attempt?.problem ?? (attempt && attempt.failures > 1 ? unseen : undefined);
      if (problem !== undefined || !left.has(what))
        left.set(what, { what, ...(problem !== undefined && { problem }) });
    }
    return [...left.values()];
  }
}

/** Text that is equal exactly when UUID, options and indexes are, byte for byte. */
function textOf({ uuid, options, indexes }: Catalogue): string {
  const keysOf = (values: ReadonlyMap<string, RawValue>) =>
    [...values].map(([name, { key }]) => [name, key]);
  return JSON.stringify([uuid?.toHexString(), keysOf(options), indexes.map(keysOf)]);
}
