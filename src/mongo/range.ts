import type { Db } from 'mongodb';
import { bufferName } from '../names.js';
import { asBuffer, fields, type RawValue } from './raw.js';
import { RawCursor } from './raw-cursor.js';

/** One buffered change without its document. */
export interface BufferedChange {
  readonly token: string;
  /** `u`, `d`, `x` or `r`: see `changeCodes`. */
  readonly code: string;
  readonly id: RawValue;
  /** The former `_id`, if the change gave it other bytes that are equal. */
  readonly was?: RawValue | undefined;
}

/** A stretch of the buffer that is applied in one go. */
export interface Range {
  /** Token after which it begins; from the start of the buffer if absent. */
  readonly after: string | undefined;
  /** Last token of it. */
  readonly end: string;
  /** In stream order. */
  readonly changes: readonly BufferedChange[];
  /** Whether it reaches up to what was captured when it was read. */
  readonly last: boolean;
}

/** Changes that are read before it is known how large their documents are. */
const FIRST_READ = 100;

export interface RangeLimits {
  readonly events: number;
  /** Bytes of documents, `_id`s and tokens; a range has at least one event. */
  readonly bytes: number;
}

/** Reads the next stretch of the buffer, `after` exclusive to `upTo` inclusive, within the limits. */
export async function readRange(
  db: Db,
  collection: string,
  after: string | undefined,
  upTo: string,
  limits: RangeLimits,
  signal: AbortSignal,
): Promise<Range> {
  const changes: BufferedChange[] = [];
  let bytes = 0;
  // The server reads whole documents to give away their beginnings: of large ones as many as the range may have.
  let batchSize = Math.min(limits.events, FIRST_READ);
  await using found = await RawCursor.open(
    db,
    {
      find: bufferName(collection),
      filter: { _id: { ...(after !== undefined && { $gt: after }), $lte: upTo } },
      projection: { o: 1, k: 1, n: 1 },
      sort: { _id: 1 },
      limit: limits.events,
      batchSize,
    },
    {
      signal,
      get batchSize() {
        return batchSize;
      },
    },
  );
  for await (const batch of found) {
    for (const document of batch.documents) {
      const entry = fields(document);
      const size = entry.get('n');
      // A delete has no document, and may have a long `_id`, which its token has in it, too.
      bytes += document.length + (size ? asBuffer(size.bytes).readInt32LE() : 0);
      const [token, code] = [text(entry.get('_id')), text(entry.get('o'))];
      changes.push({ token, code, ...idsIn(entry.get('k')) });
      if (bytes >= limits.bytes) {
        const end = changes.at(-1)?.token ?? upTo;
        return { after, end, changes, last: end === upTo };
      }
    }
    const fitting = Math.ceil(((limits.bytes - bytes) * changes.length) / bytes);
    batchSize = Math.max(1, Math.min(limits.events - changes.length, fitting));
  }
  const last = changes.length < limits.events;
  return { after, end: last ? upTo : (changes.at(-1)?.token ?? upTo), changes, last };
}

/** A stretch of which it is known that nothing is in it. */
export function emptyRange(after: string | undefined, end: string): Range {
  return { after, end, changes: [], last: true };
}

/**
 * Cuts a range after the first document that is inserted again after its delete: applied twice, it is the last one all
 * the same, as in a capped collection it has to be.
 * @returns the part to apply, and what is left of it
 */
export function cutAtInsertedAgain(range: Range): [Range, Range | undefined] {
  const gone = new Set<string>();
  for (const [index, { code, id, token }] of range.changes.entries()) {
    if (code === 'd') gone.add(id.key);
    else if (gone.has(id.key) && index < range.changes.length - 1) {
      const [changes, rest] = [range.changes.slice(0, index + 1), range.changes.slice(index + 1)];
      // By the time of the rest more may be captured than up to its end.
      return [
        { ...range, changes, end: token, last: false },
        { ...range, changes: rest, after: token, last: false },
      ];
    }
  }
  return [range, undefined];
}

function idsIn(key: RawValue | undefined): Pick<BufferedChange, 'id' | 'was'> {
  const found = key && fields(key.bytes);
  const id = found?.get('i');
  if (!id) throw new Error('the buffer holds a document that is not a change');
  return { id, was: found?.get('w') };
}

function text(value: RawValue | undefined): string {
  return value ? asBuffer(value.bytes).toString('latin1', 4, value.bytes.length - 1) : '';
}
