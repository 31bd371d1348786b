import { type Db, type Document, Long, MongoServerError, Timestamp } from 'mongodb';
import { asBuffer, type CommandOptions, documentsOf, fields, runRaw } from './raw.js';

/** Time for a cursor to be closed, in ms: an activity that ends must not wait for a network that is silent. */
const CLOSE_MS = 5_000;

/** One reply of a cursor. */
export interface RawBatch {
  /** Documents as bytes; views of the reply's memory. */
  readonly documents: readonly Buffer[];
  /** Bytes of the whole batch. */
  readonly bytes: number;
  /** Of a change stream: the token (a BSON document) from which to go on after this batch. */
  readonly resumeToken?: Buffer | undefined;
  /** The server's cluster time when it answered, as a replica set gives it. */
  readonly operationTime?: Timestamp | undefined;
}

export interface RawCursorOptions {
  readonly signal?: AbortSignal | undefined;
  /** Longest time a getMore waits at the server for new data, in ms; change streams only. */
  readonly maxAwaitMs?: number;
  /** Documents per reply at most; the server ends a reply at 16 MB anyway. */
  readonly batchSize?: number;
}

/** Read concern of what a majority has, and not as it was before a cluster time. */
export function majorityAfter(time: Timestamp | undefined): Document {
  return { level: 'majority', ...(time && { afterClusterTime: time }) };
}

/**
 * A cursor whose documents are never decoded. The driver's own cursors cannot do it for change
 * streams: `watch()` with `raw` throws, and the post-batch token of a reply is not to be had.
 */
export class RawCursor implements AsyncDisposable {
  readonly #db: Db;
  readonly #collection: string;
  readonly #options: RawCursorOptions;
  readonly #command: CommandOptions;
  #id: bigint;
  #first: RawBatch | undefined;

  private constructor(
    db: Db,
    reply: Record<string, unknown>,
    options: RawCursorOptions,
    command: CommandOptions,
  ) {
    const cursor = fields(reply['cursor'] as Buffer);
    const namespace = cursor.get('ns');
    const id = cursor.get('id');
    if (!namespace || !id) throw new Error('a reply without cursor came from the server');
    const text = asBuffer(namespace.bytes).toString('utf8', 4, namespace.bytes.length - 1);
    this.#db = db;
    this.#collection = text.slice(text.indexOf('.') + 1);
    this.#options = options;
    this.#command = command;
    this.#id = asBuffer(id.bytes).readBigInt64LE();
    this.#first = toBatch(reply, cursor, 'firstBatch');
  }

  /** Sends a command that answers with a cursor (`find`, `aggregate`). */
  static async open(db: Db, command: Document, options: RawCursorOptions = {}): Promise<RawCursor> {
    // getMore has to come in the session that opened the cursor.
    const session = db.client.startSession({ causalConsistency: false });
    const commandOptions = { session, signal: options.signal };
    try {
      const reply = await runRaw(db, command, commandOptions).catch((error: unknown) => {
        if (!refusesNoTimeout(error)) throw error;
        const { noCursorTimeout: _refused, ...limited } = command;
        return runRaw(db, limited, commandOptions);
      });
      return new RawCursor(db, reply, options, commandOptions);
    } catch (error) {
      await session.endSession();
      throw error;
    }
  }

  /** Whether the server has no more for this cursor. */
  get exhausted(): boolean {
    return this.#id === 0n && !this.#first;
  }

  /** The next reply; empty when a change stream has nothing new within `maxAwaitMs`. */
  async next(): Promise<RawBatch> {
    if (this.#first) {
      const first = this.#first;
      this.#first = undefined;
      return first;
    }
    if (this.#id === 0n) return { documents: [], bytes: 0 };
    const { maxAwaitMs, batchSize } = this.#options;
    const reply = await runRaw(
      this.#db,
      {
        getMore: Long.fromBigInt(this.#id),
        collection: this.#collection,
        ...(batchSize !== undefined && { batchSize }),
        ...(maxAwaitMs !== undefined && { maxTimeMS: maxAwaitMs }),
      },
      this.#command,
    );
    const cursor = fields(reply.cursor as Buffer);
    this.#id = asBuffer(cursor.get('id')?.bytes ?? Buffer.alloc(8)).readBigInt64LE();
    return toBatch(reply, cursor, 'nextBatch');
  }

  /** Replies until the cursor is exhausted, empty ones left out. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RawBatch> {
    while (!this.exhausted) {
      const batch = await this.next();
      if (batch.documents.length > 0) yield batch;
    }
  }

  /**
   * Frees the cursor at the server. Errors are ignored: a cursor that is gone is closed, and one that cannot be
   * reached the server closes by itself.
   */
  async close(): Promise<void> {
    if (this.#id !== 0n) {
      const id = Long.fromBigInt(this.#id);
      this.#id = 0n;
      await this.#db
        .command(
          { killCursors: this.#collection, cursors: [id] },
          { signal: AbortSignal.timeout(CLOSE_MS) },
        )
        .catch(() => undefined);
    }
    await this.#command.session?.endSession().catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** As shared tiers of Atlas do: there a cursor ends after ten minutes without a question. */
function refusesNoTimeout(error: unknown): boolean {
  return error instanceof MongoServerError && /no ?timeout cursors/i.test(error.message);
}

function toBatch(
  { operationTime }: Record<string, unknown>,
  cursor: ReturnType<typeof fields>,
  name: string,
): RawBatch {
  const array = cursor.get(name)?.bytes ?? Buffer.from([5, 0, 0, 0, 0]);
  const token = cursor.get('postBatchResumeToken');
  return {
    documents: documentsOf(array),
    bytes: array.length,
    resumeToken: token && asBuffer(token.bytes),
    operationTime: operationTime instanceof Timestamp ? operationTime : undefined,
  };
}
