import { setTimeout as sleep } from 'node:timers/promises';
import { chunks } from './chunks.js';
import { compareIds, type DocumentDifference, explainDifferences, type Side } from './compare.js';
import { copyOf, hashOf, idOf, type RawValue } from './raw.js';

/** How long a difference may take to go away by itself. */
export interface Patience {
  /** Looks at each difference after the first one. */
  readonly rounds: number;
  /** Between two looks, in ms. */
  readonly waitMs: number;
  /** Age in ms at which one is looked at again at the latest: until then it holds up checkpoints. */
  readonly oldestMs: number;
}

/** What has become of documents that were not the same when they were first looked at. */
export interface Settled {
  /** Still not the same in the last look, and not changed at the source between the last two. */
  readonly confirmed: readonly DocumentDifference[];
  /** Documents that were not the same in any look and changed at the source all the time. */
  readonly unsettled: number;
}

interface Suspect {
  readonly id: RawValue;
  readonly sourceHash: string | undefined;
  /** Bytes that reading it again takes on both sides. */
  readonly bytes: number;
}

/** Suspects that are kept at most, by number and by the bytes of their `_id`s. */
const MOST = 50_000;
const MOST_ID_BYTES = 8 * 1024 * 1024;
/** What is read again at a time. */
const AGAIN = { items: 1_000, bytes: 32 * 1024 * 1024 } as const;

/**
 * Documents that were not the same at the moment of reading. Where writers write and something else
 * carries their changes over, such a difference may be only young; it is looked at again.
 */
export class Suspects {
  readonly #source: Side;
  readonly #target: Side;
  readonly #patience: Patience;
  #open: Suspect[] = [];
  #idBytes = 0;
  #oldest = 0;
  #newest = 0;

  constructor(source: Side, target: Side, patience: Patience) {
    this.#source = source;
    this.#target = target;
    this.#patience = patience;
  }

  get count(): number {
    return this.#open.length;
  }

  /** Whether they should be settled before more is read. */
  get isDue(): boolean {
    if (this.#open.length === 0) return false;
    const isOld = Date.now() - this.#oldest >= this.#patience.oldestMs;
    return isOld || this.#open.length >= MOST || this.#idBytes >= MOST_ID_BYTES;
  }

  /** Remembers a document by what was seen of it; on one side it may be missing. */
  add(source: Buffer | undefined, target: Buffer | undefined): void {
    const document = source ?? target;
    if (!document) return;
    this.#newest = Date.now();
    if (this.#open.length === 0) this.#oldest = this.#newest;
    const id = copyOf(idOf(document));
    this.#idBytes += id.bytes.length;
    const bytes = (source?.length ?? 0) + (target?.length ?? 0);
    this.#open.push({ id, sourceHash: source && hashOf(source), bytes });
  }

  /** Looks at all of them again, and again, and forgets them. `touch` is called as it goes on. */
  async settle(signal: AbortSignal, touch: () => void): Promise<Settled> {
    let open: readonly Suspect[] = this.#open;
    let standing: readonly DocumentDifference[] = [];
    let unsettled = 0;
    let seen = this.#newest;
    for (let round = 0; round < this.#patience.rounds && open.length > 0; round++) {
      await sleep(Math.max(0, seen + this.#patience.waitMs - Date.now()), undefined, { signal });
      seen = Date.now();
      const { differences, suspects } = await this.#lookAgain(open, signal, touch);
      const before = new Map(open.map(({ id, sourceHash }) => [id.key, sourceHash]));
      standing = differences.filter(({ id, sourceHash }) => before.get(id.key) === sourceHash);
      unsettled = differences.length - standing.length;
      open = suspects;
    }
    this.#open = [];
    this.#idBytes = 0;
    const confirmed = await explainDifferences(this.#source, this.#target, standing, signal);
    return { confirmed, unsettled };
  }

  async #lookAgain(
    open: readonly Suspect[],
    signal: AbortSignal,
    touch: () => void,
  ): Promise<{ differences: readonly DocumentDifference[]; suspects: readonly Suspect[] }> {
    const differences: DocumentDifference[] = [];
    const suspects: Suspect[] = [];
    for (const part of chunks(open, ({ bytes }) => bytes, AGAIN)) {
      const ids = part.map(({ id }) => id);
      const sizes = new Map(part.map(({ id, bytes }) => [id.key, bytes]));
      for (const found of await compareIds(this.#source, this.#target, ids, signal)) {
        const { id, sourceHash } = found;
        const bytes = sizes.get(id.key);
        // One that is equal to a suspect: when both sides were read, it was among them itself.
        if (bytes === undefined) continue;
        differences.push(found);
        suspects.push({ id, sourceHash, bytes });
      }
      touch();
    }
    return { differences, suspects };
  }
}
