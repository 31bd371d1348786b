import type { Timestamp } from 'mongodb';
import { compareIds, type DocumentDifference, explainDifferences, type Side } from './compare.js';
import { readOperationTime } from './operation-time.js';

/** Times that a difference has to be found again, each after replay has passed the last look. */
const LOOKS = 2;

/** Differences that were found together, and are told together. */
interface Entry {
  standing: readonly DocumentDifference[];
  /** Cluster time of the source after the last look. */
  lookedAt: Timestamp;
  looks: number;
  readonly onSettled: (standing: readonly DocumentDifference[]) => Promise<void>;
}

/**
 * Differences that may only be young: a change was not applied yet when they were found. One is a
 * difference when it is still there, with the same document at the source, after replay has passed the moment
 * of reading, twice. Nobody waits for that: other documents are compared meanwhile.
 */
export class YoungDifferences {
  readonly #source: Side;
  readonly #target: Side;
  readonly #signal: AbortSignal;
  readonly #touch: () => void;
  #entries: readonly Entry[] = [];

  /** `touch`: called when the work has moved. */
  constructor(source: Side, target: Side, signal: AbortSignal, touch: () => void) {
    this.#source = source;
    this.#target = target;
    this.#signal = signal;
    this.#touch = touch;
  }

  /** How many there are. */
  get count(): number {
    return this.#entries.reduce((sum, { standing }) => sum + standing.length, 0);
  }

  /**
   * Takes differences that were found just now.
   *
   * @param onSettled told which of them stand, once; at once when there are none
   */
  async add(standing: readonly DocumentDifference[], onSettled: Entry['onSettled']): Promise<void> {
    if (standing.length === 0) return onSettled([]);
    const lookedAt = await readOperationTime(this.#source.db);
    this.#entries = [...this.#entries, { standing, lookedAt, looks: 0, onSettled }];
  }

  /** Looks again at those that replay has passed since, in one go. */
  async look(applied: Timestamp | undefined): Promise<void> {
    const due = this.#entries.filter(({ lookedAt }) => applied?.greaterThanOrEqual(lookedAt));
    if (due.length === 0) return;
    const ids = new Map(due.flatMap(({ standing }) => standing.map(({ id }) => [id.key, id])));
    // A member that has just become primary may know less than the one before it.
    const after = due
      .map((entry) => entry.lookedAt)
      .reduce((one, other) => (other.greaterThan(one) ? other : one));
    const found = await compareIds(this.#source, this.#target, [...ids.values()], this.#signal, {
      touch: this.#touch,
      after,
    });
    const again = new Map(found.map((difference) => [difference.id.key, difference]));
    const lookedAt = await readOperationTime(this.#source.db);
    for (const entry of due) {
      entry.standing = entry.standing.flatMap((one) => {
        const now = again.get(one.id.key);
        // With another document at the source its change is in the buffer, and brings it up again. With
        // another one at the target alone, somebody else writes there.
        return now && now.sourceHash === one.sourceHash ? [now] : [];
      });
      entry.lookedAt = lookedAt;
      entry.looks++;
    }
    for (const entry of due) {
      if (entry.standing.length > 0 && entry.looks < LOOKS) continue;
      await entry.onSettled(await this.#explain(entry.standing));
      this.#entries = this.#entries.filter((other) => other !== entry);
    }
  }

  #explain(differences: readonly DocumentDifference[]): Promise<readonly DocumentDifference[]> {
    return explainDifferences(this.#source, this.#target, differences, this.#signal);
  }
}
