import type { Db, Timestamp } from 'mongodb';
import { compareIds, explainDifferences, type DocumentDifference } from '../mongo/compare.js';
import type { ControlDocument } from '../mongo/control-document.js';
import { readWritesAfter } from '../mongo/late-writes.js';
import type { RawValue } from '../mongo/raw.js';
import { tokenTime } from '../mongo/token.js';
import { readUncompared } from '../mongo/uncompared.js';
import type { Opened } from './context.js';
import type { Pulse } from './pulse.js';
import { sourceOf, targetOf } from './verify.js';

/** What the cutover's own comparison needs. */
export interface RecheckContext {
  readonly opened: Omit<Opened, 'plan'>;
  /** The source by the one member that change streams are read from. */
  readonly pinnedSource: () => Promise<Db>;
  readonly force: readonly string[];
  readonly pulse: Pulse;
}

/**
 * The cutover's own comparison. What the verifier has not compared yet is compared before the fence
 * already, so that after it there is next to nothing left: applications wait then. As with the
 * verifier, a document that was the same with its change applied needs no other look unless it
 * changes again, which brings it up again.
 */
export class Recheck {
  readonly #context: RecheckContext;
  /** Documents that were not the same when they were looked at, by key: they may only be young. */
  readonly #suspects = new Map<string, RawValue>();
  /** Position in the stream up to which this has compared. */
  #through: string | undefined;

  constructor(context: RecheckContext) {
    this.#context = context;
  }

  /**
   * Compares the documents of all changes that are applied by this state and were not compared yet.
   * @returns how many.
   */
  async compareChanged({ replay, verify }: ControlDocument): Promise<number> {
    const { opened, force, pulse } = this.#context;
    if (verify?.through === undefined || force.includes('verification')) return 0;
    // What the verifier has compared since, it has also recorded.
    const through =
      this.#through !== undefined && this.#through > verify.through
        ? this.#through
        : verify.through;
    const state = { replay, verify: { ...verify, through } };
    let documents = 0;
    for await (const { ids, range } of readUncompared(targetOf(opened), state, pulse.signal, {
      isUrgent: true,
    })) {
      await this.#compare(ids, tokenTime(range.end));
      this.#through = range.end;
      documents += ids.length;
    }
    return documents;
  }

  /**
   * Compares what is left when everything up to the fence is applied: changed documents, those that
   * were not the same before, and differences that are known. A document that was written after the
   * fence is no difference: it is counted as a late write.
   */
  async settle(
    fence: Timestamp,
  ): Promise<{ differences: readonly DocumentDifference[]; rechecked: number }> {
    const { opened, pinnedSource, pulse } = this.#context;
    const { control, sourceCollection, verification } = opened;
    const sides = [sourceOf(opened), targetOf(opened)] as const;
    // In this order: what the comparison finds meanwhile is in the one or in the other.
    const state = await control.read();
    const young = await verification.young();
    const [changed, known] = await Promise.all([this.compareChanged(state), verification.known()]);
    for (const { id } of [...young.differences, ...known]) this.#suspects.set(id.key, id);
    const standing = new Set(known.map(({ id }) => id.key));
    const left = [...this.#suspects.values()];
    const found = new Map((await this.#compare(left, fence)).map((each) => [each.id.key, each]));
    const rechecked = changed + left.length;
    if (found.size === 0) return { differences: [], rechecked };
    await readWritesAfter({
      db: await pinnedSource(),
      collection: sourceCollection,
      time: fence,
      signal: pulse.signal,
      onWrite: ({ key }) => {
        pulse.touch();
        if (!standing.has(key)) found.delete(key);
        return found.size > 0;
      },
    });
    const differences = await explainDifferences(...sides, [...found.values()], pulse.signal);
    return { differences, rechecked };
  }

  async #compare(
    ids: readonly RawValue[],
    after: Timestamp,
  ): Promise<readonly DocumentDifference[]> {
    const { opened, pulse } = this.#context;
    const sides = [sourceOf(opened), targetOf(opened)] as const;
    const differences = await compareIds(...sides, ids, pulse.signal, {
      touch: pulse.touch,
      after,
    });
    for (const { key } of ids) this.#suspects.delete(key);
    for (const { id } of differences) this.#suspects.set(id.key, id);
    return differences;
  }
}
