import { BSON, type ClientSession, type Document, MaxKey } from 'mongodb';
import type { RefusedDocuments } from '../migration.js';
import { CONTROL_COLLECTION } from '../names.js';
import type { Control } from './control.js';
import { decode } from './catalogue.js';
import { chunks, idLimits } from './chunks.js';
import { type Refusal, showRefusal, type WriteError } from './refusal.js';
import {
  copyOf,
  documentsOf,
  fields,
  RawValue,
  runCommand,
  runRaw,
  runWithDocuments,
} from './raw.js';
import { RawCursor } from './raw-cursor.js';
import { ofRound, roundKey } from './round.js';
import { inTransaction } from './transaction.js';

const SHOWN = 20;
const KEPT_CHARACTERS = 500;
const BATCH = 500;
const EMPTY = BSON.serialize({});

/** First statement of a transaction; throws when its writer has a successor. */
export type Fence = (session: ClientSession) => Promise<void>;

/**
 * The documents of the source that the target does not take, kept in the target's `cdc` until they
 * changed into others that it does take, or are gone. The control document holds a summary, which
 * refuses the cutover.
 */
export class Refusals {
  readonly #control: Control;
  readonly #fence: Fence;
  #known: Set<string> | undefined;

  /** `fence`: of the one who writes documents to the target, and nobody else does by then. */
  constructor(control: Control, fence: Fence) {
    this.#control = control;
    this.#fence = fence;
  }

  /** Keys of the `_id`s of all that are refused. */
  async keys(): Promise<ReadonlySet<string>> {
    return (this.#known ??= await this.#read());
  }

  /**
   * Records what came of writes: documents that were not taken, and keys of the `_id`s of such as were written or
   * deleted, whatever was known of them before.
   */
  async settle(refused: readonly Refusal[], written: readonly string[]): Promise<void> {
    const known = (this.#known ??= await this.#read());
    const added = new Set(refused.map(({ id }) => id.key));
    const settled = written
      .filter((key) => known.has(key) && !added.has(key))
      .map((key) => RawValue.ofKey(key));
    // In this order: of two `_id`s that are equal but not the same there is one record.
    for (const some of chunks(settled, ({ bytes }) => bytes.length, idLimits)) {
      const deletes = some.map((id) => ({ q: keyOf(this.#control, id), limit: 1 }));
      await this.#change(deletes, 'delete', 'deletes');
    }
    for (const some of chunks(refused, ({ id }) => id.bytes.length, idLimits)) {
      await this.#change(some.map(toUpsert(this.#control)), 'update', 'updates');
    }
    for (const key of added) known.add(key);
    for (const { key } of settled) known.delete(key);
  }

  async #change(
    statements: readonly Document[],
    command: 'update' | 'delete',
    field: 'updates' | 'deletes',
  ): Promise<void> {
    const { db, id: _id, runId } = this.#control;
    const work = async (session: ClientSession): Promise<void> => {
      await this.#fence(session);
      const reply = await runWithDocuments(
        db,
        { [command]: CONTROL_COLLECTION },
        field,
        statements.map((statement) => BSON.serialize(statement)),
        { session },
      );
      const [failed] = (reply['writeErrors'] ?? []) as WriteError[];
      if (failed) throw new Error(`${CONTROL_COLLECTION}: ${failed.errmsg} (${failed.code})`);
      const refused: RefusedDocuments = {
        count: await db.collection(CONTROL_COLLECTION).countDocuments(this.#all(), { session }),
        first: await this.#readFirst(session),
      };
      await runCommand(
        db,
        { update: CONTROL_COLLECTION, updates: [{ q: { _id, runId }, u: { $set: { refused } } }] },
        { session },
      );
    };
    await db.client.withSession({ causalConsistency: false }, (session) =>
      inTransaction(session, () => work(session)),
    );
  }

  /** The `_id`s of all that are refused, some hundred at a time. */
  async *all(): AsyncGenerator<readonly RawValue[]> {
    const find = { find: CONTROL_COLLECTION, filter: this.#all(), batchSize: BATCH };
    await using found = await RawCursor.open(this.#control.db, find, { batchSize: BATCH });
    for await (const { documents } of found) {
      yield documents.map((document) => copyOf(parse(document).id));
    }
  }

  async #read(): Promise<Set<string>> {
    const keys = new Set<string>();
    for await (const ids of this.all()) for (const { key } of ids) keys.add(key);
    return keys;
  }

  async #readFirst(session: ClientSession): Promise<RefusedDocuments['first']> {
    const find = { find: CONTROL_COLLECTION, filter: this.#all(), limit: SHOWN, singleBatch: true };
    const { cursor } = await runRaw(this.#control.db, find, { session });
    const batch = fields(cursor as Buffer).get('firstBatch');
    return documentsOf(batch?.bytes ?? EMPTY).map((document) => showRefusal(parse(document)));
  }

  #all(): Document {
    const { id, runId, round } = this.#control;
    // By index. A server compares types before names, and those of no other kind have a document here.
    const least = { collection: id, refused: {} };
    const _id = { $gte: least, $lt: { ...least, refused: new MaxKey() } };
    return { _id, ...ofRound(round), runId };
  }
}

function toUpsert(control: Control) {
  return ({ id, why }: Refusal): Document => ({
    q: keyOf(control, id),
    u: { $set: { runId: control.runId, why: why.slice(0, KEPT_CHARACTERS) } },
    upsert: true,
  });
}

function keyOf({ id: collection, round }: Control, id: RawValue): Document {
  return { _id: { collection, refused: { i: id }, ...roundKey(round) } };
}

/** Only `why` is decoded: there are `_id`s that bson cannot read. */
function parse(document: Buffer): Refusal {
  const entry = fields(document);
  const key = fields(entry.get('_id')?.bytes ?? EMPTY).get('refused');
  const id = fields(key?.bytes ?? EMPTY).get('i');
  if (!id) throw new Error(`${CONTROL_COLLECTION} has a refused document without its _id`);
  return { id, why: String(decode(entry.get('why'))) };
}
