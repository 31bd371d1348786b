import type { Db, Timestamp } from 'mongodb';
import { bufferName } from '../names.js';
import { type Bundle, decodeBundle, keysBetween } from './bundle.js';
import { KeySample } from './key-sample.js';
import { RawValue, walk } from './raw.js';
import { RawCursor } from './raw-cursor.js';

/** One buffered change without its document. A range has many of them: it keeps nothing of the reply's memory. */
export class BufferedChange {
  /** The bundle that it is in, and which of its changes it is. */
  readonly bundle: Bundle;
  readonly index: number;
  /** `u`, `d`, `x` or `r`: see `changeCodes`. */
  readonly code: string;
  /** Key of its `_id`. */
  readonly key: string;
  /** Key of the former `_id`, if the change gave it other bytes that are equal. */
  readonly was: string | undefined;
  /** Of its document in bytes; 0 if it has none. */
  readonly size: number;

  constructor(
    bundle: Bundle,
    index: number,
    { code, key, was, size }: Pick<BufferedChange, 'code' | 'key' | 'was' | 'size'>,
  ) {
    this.bundle = bundle;
    this.index = index;
    this.code = code;
    this.key = key;
    this.was = was;
    this.size = size;
  }

  get id(): RawValue {
    return RawValue.ofKey(this.key);
  }
}

/** A stretch of the buffer that is applied in one go. */
export interface Range {
  /** Token after which it begins; from the start of the buffer if absent. */
  readonly after: string | undefined;
  /** Last token of it. */
  readonly end: string;
  /** Cluster time of its first change. */
  readonly from?: Timestamp | undefined;
  readonly count: number;
  /** In stream order: all of them, or those that a sieve has kept. */
  readonly changes: readonly BufferedChange[];
  readonly isSieved: boolean;
  /** Whether there may be documents to be written by the server. */
  readonly hasDocuments: boolean;
  /** What is last of each `_id`: about how many there are, and how large. */
  readonly documents: KeySample;
  /** Whether it reaches up to what was captured when it was read. */
  readonly last: boolean;
  /** Whether the next bundle would make more changes of it than it may have. */
  readonly full: boolean;
}

/** Bundles that are read before it is known how large their documents are, and at a time: some 2 MB of a reply. */
const BUNDLES = { first: 32, most: 256 } as const;
/** BSON type of a 32-bit number. */
const INT = 0x10;

export interface RangeLimits {
  readonly events: number;
  /** Bytes of documents, `_id`s and tokens; a range has at least one bundle. */
  readonly bytes: number;
  /**
   * Leaves out what the server alone has to know: updates of documents of which nothing else is in the range before. What
   * the worker does with the others is the same without them.
   */
  readonly sieve?: {
    /** Keys of which all changes are kept. */
    readonly known: ReadonlySet<string>;
    /** Changes that are kept, but for those of a bundle. */
    readonly most: number;
  };
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
  const seen = new Seen(limits.sieve);
  let bundles = 0;
  let bytes = 0;
  let last: Bundle | undefined;
  let from: Timestamp | undefined;
  // The server reads whole documents to give away their beginnings: of large ones as many as the range may have.
  let batchSize = Math.min(BUNDLES.first, limits.events);
  await using found = await RawCursor.open(
    db,
    {
      find: bufferName(collection),
      filter: { _id: keysBetween(after, upTo) },
      projection: { t: 1, 'c.o': 1, 'c.k': 1, 'c.n': 1 },
      sort: { _id: 1 },
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
      const [bundle, encoded] = decodeBundle(document);
      const full = seen.count + encoded.length > limits.events;
      // Two that end with the same change are of two attempts: neither is left out.
      if (last && last.token !== bundle.token && (full || seen.isEnough || bytes >= limits.bytes)) {
        return { after, end: last.token, from, ...seen.range, last: false, full };
      }
      if (!from || bundle.from.lessThan(from)) from = bundle.from;
      for (const [index, one] of encoded.entries()) {
        const change = new BufferedChange(bundle, index, decodeChange(one));
        // A delete has no document, and may have a long `_id`, which its token has in it, too.
        bytes += change.size;
        seen.add(change);
      }
      bundles += 1;
      bytes += document.length;
      last = bundle;
    }
    const byBytes = ((limits.bytes - bytes) * bundles) / bytes;
    const byEvents = ((limits.events - seen.count) * bundles) / seen.count;
    batchSize = Math.max(1, Math.ceil(Math.min(byBytes, byEvents, BUNDLES.most)));
  }
  return { after, end: upTo, from, ...seen.range, last: true, full: false };
}

/** What was read of a range. */
class Seen {
  readonly #sieve: RangeLimits['sieve'];
  readonly #changes: BufferedChange[] = [];
  readonly #documents = new KeySample();
  readonly #kept = new Set<string>();
  #hasDocuments = false;
  count = 0;

  constructor(sieve: RangeLimits['sieve']) {
    this.#sieve = sieve;
  }

  /** Whether as much is kept as may be. */
  get isEnough(): boolean {
    return this.#sieve !== undefined && this.#changes.length >= this.#sieve.most;
  }

  get range(): Pick<Range, 'count' | 'changes' | 'isSieved' | 'hasDocuments' | 'documents'> {
    return {
      count: this.count,
      changes: this.#changes,
      isSieved: this.#sieve !== undefined,
      hasDocuments: this.#hasDocuments,
      documents: this.#documents,
    };
  }

  add(change: BufferedChange): void {
    const { code, key, was, size } = change;
    this.count += 1;
    if (code === 'u') this.#hasDocuments = true;
    // What is deleted has a place in the server's memory, too.
    this.#documents.set(key, size + key.length);
    if (this.#sieve) {
      const isPlain = code === 'u' && was === undefined;
      if (isPlain && !this.#kept.has(key) && !this.#sieve.known.has(key)) return;
      this.#kept.add(key);
    }
    this.#changes.push(change);
  }
}

/** A stretch of which it is known that nothing is in it. */
export function emptyRange(after: string | undefined, end: string): Range {
  return { after, end, ...new Seen(undefined).range, last: true, full: false };
}

/**
 * Cuts a range after the first document that is inserted again after its delete: applied twice, it is the last one all
 * the same, as in a capped collection it has to be.
 * @returns the part to apply, and what is left of it
 */
export function cutAtInsertedAgain(range: Range): [Range, Range | undefined] {
  const gone = new Set<string>();
  for (const [index, { code, key, bundle }] of range.changes.entries()) {
    if (code === 'd') gone.add(key);
    else if (gone.has(key) && index < range.changes.length - 1) {
      const [changes, rest] = [range.changes.slice(0, index + 1), range.changes.slice(index + 1)];
      // By the time of the rest more may be captured than up to its end.
      return [
        { ...range, changes, count: changes.length, end: bundle.token, last: false },
        { ...range, changes: rest, count: rest.length, after: bundle.token, last: false },
      ];
    }
  }
  return [range, undefined];
}

function decodeChange(bytes: Buffer): Pick<BufferedChange, 'code' | 'key' | 'was' | 'size'> {
  let code = '';
  let size = 0;
  let key: string | undefined;
  let was: string | undefined;
  walk(bytes, 0, (type, name, _nameEnd, start, end) => {
    // One letter each: o, k, n.
    if (bytes[name] === 0x6f) code = bytes.toString('latin1', start + 4, end - 1);
    else if (bytes[name] === 0x6e && type === INT) size = bytes.readInt32LE(start);
    else if (bytes[name] === 0x6b) {
      walk(bytes, start, (keyType, keyName, _end, from, to) => {
        const value = new RawValue(keyType, bytes.subarray(from, to)).key;
        if (bytes[keyName] === 0x69) key = value;
        else was = value;
      });
    }
  });
  if (!code || key === undefined) throw new Error('the buffer holds a document that is not ours');
  return { code, key, was, size };
}
