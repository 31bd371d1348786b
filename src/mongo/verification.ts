import { BSON, type Collection, type Db, type Document, ObjectId } from 'mongodb';
import type { DifferenceSummary } from '../migration.js';
import { CONTROL_COLLECTION } from '../names.js';
import {
  type DocumentDifference,
  type DifferenceKind,
  showId,
  SHOWN_DIFFERENCES,
} from './compare.js';
import { decode } from './catalogue.js';
import { chunks, idLimits } from './chunks.js';
import { fields } from './raw.js';
import { RawCursor } from './raw-cursor.js';
import type { Control } from './control.js';
import { numberedIds, ofRound, roundKey } from './round.js';

/** Result of comparing one partition. */
export interface VerifiedPartition {
  readonly documents: number;
  readonly bytes: number;
}

/** Stands for a partition in differences that were found when changed documents were compared. */
export const CHANGED = -1;

/** The open differences of a partition, and the sets of documents in which they are stored. */
export interface OpenDifferences {
  readonly differences: readonly DocumentDifference[];
  readonly sets: readonly ObjectId[];
}

/** `open`: it stands. `young`: it may only be young. */
type DifferenceState = 'open' | 'young';

/** `_id`s per stored document: far below 16 MB with any usual `_id`. */
const IDS_PER_DOCUMENT = 1_000;

/**
 * What verification has found, kept in the target's `cdc`: a restarted worker goes on from there,
 * and the cutover finds the `_id`s that it has to look at again.
 */
export class Verification {
  readonly #db: Db;
  readonly #collection: Collection<Document & { _id: Document }>;
  readonly #name: string;
  readonly #runId: string;
  readonly #round: number;
  #hasOpen = false;
  readonly #onOpen: ((differences: readonly DocumentDifference[]) => void) | undefined;

  /** @param onOpen told of the differences whenever they are read. */
  constructor(
    db: Db,
    { id, runId, round }: Pick<Control, 'id' | 'runId' | 'round'>,
    onOpen?: (differences: readonly DocumentDifference[]) => void,
  ) {
    this.#db = db;
    this.#onOpen = onOpen;
    this.#name = id;
    this.#runId = runId;
    this.#round = round;
    this.#collection = db.collection<Document & { _id: Document }>(CONTROL_COLLECTION, {
      writeConcern: { w: 'majority' },
      readPreference: 'primary',
    });
  }

  /** Whether differences were open when they were last read or replaced here. */
  get hasOpen(): boolean {
    return this.#hasOpen;
  }

  /** Partitions that were compared, by index. */
  async partitions(): Promise<Map<number, VerifiedPartition>> {
    const found = await this.#collection.find(this.#all('verified')).toArray();
    return new Map(
      found.map(({ _id, documents, bytes }) => [Number(_id['verified']), { documents, bytes }]),
    );
  }

  /** Records a compared partition and its differences, in place of those sets that were there before it was compared. */
  async record(
    partition: number,
    verified: VerifiedPartition,
    differences: readonly DocumentDifference[],
    before: OpenDifferences['sets'],
  ): Promise<void> {
    await this.replaceOpen(partition, differences, before);
    await this.#collection.replaceOne(
      { _id: { collection: this.#name, verified: partition, ...roundKey(this.#round) } },
      { runId: this.#runId, ...verified },
      { upsert: true },
    );
  }

  /**
   * Replaces open differences of a partition: those of the sets that were looked at. The new ones are there
   * before the old ones go, and what a successor has found meanwhile stays: a crash, a reader in between or
   * an attempt that comes late leaves too many, never too few.
   */
  async replaceOpen(
    partition: number,
    differences: readonly DocumentDifference[],
    sets: OpenDifferences['sets'],
  ): Promise<void> {
    this.#hasOpen ||= differences.length > 0;
    await this.#keep('open', partition, differences);
    await this.#forget('open', sets);
  }

  /**
   * Keeps differences that may only be young, until it is known: a cutover looks at them again, and an attempt that
   * comes after this one.
   * @returns by which they are forgotten.
   */
  async keepYoung(
    partition: number,
    differences: readonly DocumentDifference[],
  ): Promise<OpenDifferences['sets']> {
    return differences.length === 0 ? [] : [await this.#keep('young', partition, differences)];
  }

  /** Forgets young differences: those of these sets. */
  async forgetYoung(sets: OpenDifferences['sets']): Promise<void> {
    await this.#forget('young', sets);
  }

  /** The young differences of all partitions. */
  async young(): Promise<OpenDifferences> {
    const all = [...(await this.#read('young')).values()];
    return {
      differences: all.flatMap(({ differences }) => differences),
      sets: all.flatMap(({ sets }) => sets),
    };
  }

  async #keep(
    kind: DifferenceState,
    partition: number,
    differences: readonly DocumentDifference[],
  ): Promise<ObjectId> {
    const set = new ObjectId();
    const limits = { ...idLimits, items: IDS_PER_DOCUMENT };
    let at = 0;
    for (const part of chunks(differences, ({ id }) => id.bytes.length, limits)) {
      await this.#collection.insertOne({
        _id: { collection: this.#name, [kind]: partition, set, part: at, ...roundKey(this.#round) },
        runId: this.#runId,
        ids: part.map(({ id }) => id),
        kinds: part.map((each) => each.kind),
        fields: part.map(({ field }) => field ?? null),
        whats: part.map(({ what }) => what ?? null),
      });
      at += part.length;
    }
    return set;
  }

  async #forget(kind: DifferenceState, sets: OpenDifferences['sets']): Promise<void> {
    if (sets.length === 0) return;
    await this.#collection.deleteMany({ ...this.#all(kind), '_id.set': { $in: sets } });
  }

  /** The open differences of all partitions, with the exact bytes of their `_id`s. */
  async open(): Promise<Map<number, OpenDifferences>> {
    const open = await this.#read('open');
    this.#hasOpen = open.size > 0;
    this.#onOpen?.([...open.values()].flatMap(({ differences }) => differences));
    return open;
  }

  async #read(kind: DifferenceState): Promise<Map<number, OpenDifferences>> {
    const found = new Map<
      number,
      { known: Map<string, DocumentDifference>; sets: Map<string, ObjectId> }
    >();
    await using cursor = await RawCursor.open(this.#db, {
      find: CONTROL_COLLECTION,
      filter: this.#all(kind),
    });
    for await (const { documents } of cursor) {
      for (const document of documents) {
        const entry = fields(document);
        // Not the whole document: there are `_id`s that bson cannot read.
        const key = decode(entry.get('_id')) as Document;
        const kinds = decode(entry.get('kinds')) as DifferenceKind[];
        const names = (decode(entry.get('fields')) ?? []) as (string | null)[];
        const whats = (decode(entry.get('whats')) ?? []) as (string | null)[];
        const ids = [...fields(entry.get('ids')?.bytes ?? BSON.serialize({})).values()];
        const differences = ids.map((id, index): DocumentDifference => ({
          id,
          kind: kinds[index] ?? 'differs',
          field: names[index] ?? undefined,
          what: whats[index] ?? undefined,
        }));
        const partition = Number(key[kind]);
        const { known, sets } = found.get(partition) ?? { known: new Map(), sets: new Map() };
        for (const difference of differences) known.set(difference.id.key, difference);
        sets.set(String(key['set']), key['set']);
        found.set(partition, { known, sets });
      }
    }
    return new Map(
      [...found].map(([partition, { known, sets }]) => [
        partition,
        { differences: [...known.values()], sets: [...sets.values()] },
      ]),
    );
  }

  /** The open differences of the whole collection. */
  async known(): Promise<readonly DocumentDifference[]> {
    const all = [...(await this.open()).values()].flatMap(({ differences }) => differences);
    // One of a partition may be one of those that have changed too.
    return [...new Map(all.map((each) => [each.id.key, each])).values()];
  }

  #all(kind: 'verified' | DifferenceState): Document {
    return {
      ...numberedIds(this.#name, kind),
      ...ofRound(this.#round),
      runId: this.#runId,
    };
  }
}

/** Counts differences by kind and shows the first of them. */
export function summariseDifferences(
  differences: readonly DocumentDifference[],
): DifferenceSummary {
  const count = (kind: DifferenceKind) =>
    differences.filter((difference) => difference.kind === kind).length;
  return {
    differing: count('differs'),
    missing: count('missing'),
    extra: count('extra'),
    first: differences.slice(0, SHOWN_DIFFERENCES).map(({ id, kind, field, what }) => ({
      id: showId(id),
      kind,
      ...(field !== undefined && { field }),
      ...(what !== undefined && { what }),
    })),
  };
}
