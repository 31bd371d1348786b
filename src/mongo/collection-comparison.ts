import type { ShownDifference, Tally } from '../comparison.js';
import {
  type Compared,
  type DifferenceKind,
  type DocumentDifference,
  readByIds,
  showId,
  SHOWN_DIFFERENCES,
  type Side,
} from './compare.js';
import { readInOrder, type ReadRange, readRanges } from './id-order.js';
import { type PaceClock, type ReadLimits, ReadPace } from './pace.js';
import { copyOf, idOf, type RawValue } from './raw.js';
import { type Patience, Suspects } from './suspects.js';

/** A place from which a comparison can go on: all before it is compared, and settled in the tally. */
export interface Checkpoint extends Tally {
  /** The pass: the second one is needed only where the two sides are not in the same order. */
  readonly pass: 1 | 2;
  /** The `_id` to go on with; from the first if missing. */
  readonly next?: RawValue | undefined;
}

/** How a comparison is done. */
export interface ComparisonOptions {
  readonly source: Side;
  readonly target: Side;
  /** Whether both sides have their `_id`s in the same order: they do unless their collations differ. */
  readonly sameOrder: boolean;
  /** For each side. */
  readonly limits: ReadLimits;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  readonly clock: PaceClock;
  /** Called as it goes on, and with every checkpoint. */
  readonly onProgress: (checkpoint: Checkpoint, now: Tally & { open: number }) => void;
}

const BATCH_DOCUMENTS = 2_000;
/** A longer `_id` is no checkpoint, which has to fit into a heartbeat; the one before it stays. */
const MOST_CHECKPOINT_BYTES = 2_048;

/** The state before anything is compared. */
export const startingPoint: Checkpoint = {
  pass: 1,
  source: { documents: 0, bytes: 0 },
  target: { documents: 0, bytes: 0 },
  differing: 0,
  missing: 0,
  extra: 0,
  unsettled: 0,
  first: [],
};

/**
 * Compares two collections byte for byte, from a checkpoint on. The source is read in `_id` order and
 * cut into ranges as it comes; of each range the target is read by the bounds of its own index. So the
 * servers alone decide what comes before what, nothing has to be remembered between ranges, and the
 * start of each range is a place to go on from. Where the two orders differ, the target is looked up
 * by `_id`s, and a second pass looks up the target's `_id`s at the source.
 * @returns what was found, all of it settled.
 */
export async function compareCollections(
  options: ComparisonOptions,
  start: Checkpoint = startingPoint,
): Promise<Tally> {
  return new Comparison(options, start).run();
}

class Comparison {
  readonly #options: ComparisonOptions;
  readonly #suspects: Suspects;
  readonly #paces: { readonly source: ReadPace; readonly target: ReadPace };
  readonly #batchSize: number;
  readonly #source: Compared;
  readonly #target: Compared;
  readonly #counts: Record<DifferenceKind | 'unsettled', number>;
  readonly #first: ShownDifference[];
  #checkpoint: Checkpoint;

  constructor(options: ComparisonOptions, start: Checkpoint) {
    const { source, target, limits, patience, clock } = options;
    this.#options = options;
    this.#suspects = new Suspects(source, target, patience);
    this.#paces = { source: new ReadPace(limits, clock), target: new ReadPace(limits, clock) };
    this.#batchSize = Math.min(BATCH_DOCUMENTS, limits.documentsPerSecond ?? BATCH_DOCUMENTS);
    this.#source = { ...start.source };
    this.#target = { ...start.target };
    const { differing: differs, missing, extra, unsettled } = start;
    this.#counts = { differs, missing, extra, unsettled };
    this.#first = [...start.first];
    this.#checkpoint = start;
  }

  async run(): Promise<Tally> {
    const { source, target, sameOrder } = this.#options;
    const { pass, next } = this.#checkpoint;
    if (pass === 1) {
      await this.#walk(1, source, next, (range) =>
        sameOrder ? this.#compareRange(range) : this.#lookUpAtTarget(range),
      );
    }
    if (!sameOrder) {
      const from = pass === 2 ? next : undefined;
      await this.#walk(2, target, from, (range) => this.#lookUpAtSource(range));
    }
    return this.#tally();
  }

  async #walk(
    pass: Checkpoint['pass'],
    side: Side,
    from: RawValue | undefined,
    compare: (range: ReadRange) => Promise<void>,
  ): Promise<void> {
    for await (const range of readRanges(side, from, this.#reading())) {
      await this.#count(side, range);
      await compare(range);
      if (this.#suspects.isDue) await this.#settle();
      if (range.to) this.#moveTo(pass, range.to);
      this.#report();
    }
    await this.#settle();
    if (pass === 1) this.#checkpoint = { ...this.#tally(), pass: 2 };
    this.#report();
  }

  async #compareRange({ from, to, documents }: ReadRange): Promise<void> {
    const { target } = this.#options;
    let inStep = 0;
    let waiting: Map<string, Buffer> | undefined;
    const rest = () => documents.slice(inStep);
    for await (const batch of readInOrder(target, { from, to }, this.#reading())) {
      for (const document of batch.documents) {
        // Mostly both sides come in step: then it takes no look-up.
        if (!waiting && documents[inStep]?.equals(document)) {
          inStep++;
          continue;
        }
        waiting ??= new Map(rest().map((each) => [idOf(each).key, each]));
        const { key } = idOf(document);
        const counterpart = waiting.get(key);
        waiting.delete(key);
        if (!counterpart?.equals(document)) this.#suspects.add(counterpart, document);
      }
      await this.#count(target, batch);
      if (this.#suspects.isDue) await this.#settle();
      this.#report();
    }
    for (const document of waiting?.values() ?? rest()) this.#suspects.add(document, undefined);
  }

  async #lookUpAtTarget({ documents }: ReadRange): Promise<void> {
    const found = await this.#lookUp(this.#options.target, documents);
    for (const document of documents) {
      const counterpart = found.get(idOf(document).key);
      if (!counterpart?.equals(document)) this.#suspects.add(document, counterpart);
    }
  }

  async #lookUpAtSource({ documents }: ReadRange): Promise<void> {
    const found = await this.#lookUp(this.#options.source, documents);
    for (const document of documents) {
      if (!found.has(idOf(document).key)) this.#suspects.add(undefined, document);
    }
  }

  #lookUp(side: Side, documents: readonly Buffer[]): Promise<Map<string, Buffer>> {
    return readByIds(side, documents.map(idOf), this.#options.signal);
  }

  async #settle(): Promise<void> {
    if (this.#suspects.count === 0) return;
    const report = () => this.#report();
    const { confirmed, unsettled } = await this.#suspects.settle(this.#options.signal, report);
    this.#counts.unsettled += unsettled;
    for (const difference of confirmed) {
      this.#counts[difference.kind] += 1;
      if (this.#first.length < SHOWN_DIFFERENCES) this.#first.push(show(difference));
    }
  }

  /** Only what is settled may be behind a checkpoint. */
  #moveTo(pass: Checkpoint['pass'], next: RawValue): void {
    if (this.#suspects.count > 0 || next.bytes.length > MOST_CHECKPOINT_BYTES) return;
    this.#checkpoint = { ...this.#tally(), pass, next: copyOf(next) };
  }

  async #count(side: Side, { documents }: Pick<ReadRange, 'documents'>): Promise<void> {
    const isSource = side === this.#options.source;
    // The bytes of a reply depend on how it was cut, and are more.
    const bytes = documents.reduce((sum, document) => sum + document.length, 0);
    const read = { documents: documents.length, bytes };
    const compared = isSource ? this.#source : this.#target;
    compared.documents += read.documents;
    compared.bytes += read.bytes;
    await this.#paces[isSource ? 'source' : 'target'].spend(read);
  }

  #report(): void {
    this.#options.onProgress(this.#checkpoint, { ...this.#tally(), open: this.#suspects.count });
  }

  #tally(): Tally {
    const { differs: differing, missing, extra, unsettled } = this.#counts;
    return {
      source: { ...this.#source },
      target: { ...this.#target },
      differing,
      missing,
      extra,
      unsettled,
      first: [...this.#first],
    };
  }

  #reading() {
    return { signal: this.#options.signal, batchSize: this.#batchSize };
  }
}

function show({ id, kind, field, what }: DocumentDifference): ShownDifference {
  return {
    id: showId(id),
    kind,
    ...(field !== undefined && { field }),
    ...(what !== undefined && { what }),
  };
}
