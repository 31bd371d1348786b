import { createHash } from 'node:crypto';
import type { Collection, Document } from 'mongodb';
import { describe, idOf } from './difference.js';

/** What was read of one side. */
export interface SideRead {
  readonly documents: number;
  readonly bytes: number;
  /** SHA-256 of all documents' bytes, in the order of `_id`. */
  readonly sha256: string;
}

/** Result of comparing all documents. */
export interface DocumentsCompared {
  readonly source: SideRead;
  readonly target: SideRead;
  /** Documents that are not the same on both sides. */
  readonly different: number;
  /** A line each for the first of them. */
  readonly first: readonly string[];
}

/** How to compare. */
export interface CompareOptions {
  /** Documents to compare, on both sides; all when left out. */
  readonly filter?: Document;
  readonly onProgress?: (documents: number) => void;
}

const BATCH = 2000;
const PROGRESS_EVERY = 5000;
const SHOWN = 20;
/** Unmatched documents that are kept in memory; with more, the comparison is over. */
const MOST_UNMATCHED = 10_000;

/**
 * Compares two collections byte for byte. It is the demo's own, and has nothing in common with the product's
 * verification: both sides are read whole, in the order of `_id`, and each document is taken as the bytes that it is.
 *
 * @throws Error when more than 10,000 documents of one side have no counterpart; MongoError when reading fails
 */
export async function compareDocuments(
  source: Collection,
  target: Collection,
  { filter = {}, onProgress = () => {} }: CompareOptions = {},
): Promise<DocumentsCompared> {
  const sides = { source: new Side(source, filter), target: new Side(target, filter) };
  const first: string[] = [];
  let different = 0;
  const note = (line: string): void => {
    different++;
    if (first.length < SHOWN) first.push(line);
  };
  let compared = 0;
  for (;;) {
    const [here, there] = await Promise.all([sides.source.next(), sides.target.next()]);
    if (here === undefined && there === undefined) break;
    if (here !== undefined && there !== undefined && here.equals(there)) {
      compared++;
      if (compared % PROGRESS_EVERY === 0) onProgress(compared);
      continue;
    }
    // Where one side lacks a document, the other one runs ahead: each waits here for its counterpart.
    for (const [own, other, document] of [
      [sides.source, sides.target, here],
      [sides.target, sides.source, there],
    ] as const) {
      if (document === undefined) continue;
      const counterpart = other.take(document);
      if (counterpart === undefined) own.keep(document);
      else if (!counterpart.equals(document)) {
        note(
          own === sides.source ? describe(document, counterpart) : describe(counterpart, document),
        );
      }
    }
  }
  for (const document of sides.source.kept()) note(`${idOf(document).text}: missing at the target`);
  for (const document of sides.target.kept()) note(`${idOf(document).text}: only at the target`);
  return { source: sides.source.read(), target: sides.target.read(), different, first };
}

/** One side's documents as a stream of bytes. */
class Side {
  readonly #cursor: AsyncIterator<Document>;
  readonly #hash = createHash('sha256');
  readonly #unmatched = new Map<string, Buffer>();
  #documents = 0;
  #bytes = 0;

  constructor(collection: Collection, filter: Document) {
    const found = collection.find(filter, {
      raw: true,
      sort: { _id: 1 },
      hint: { _id: 1 },
      batchSize: BATCH,
      readConcern: { level: 'majority' },
    });
    this.#cursor = found[Symbol.asyncIterator]();
  }

  async next(): Promise<Buffer | undefined> {
    const result = await this.#cursor.next();
    if (result.done === true) return undefined;
    const document: unknown = result.value;
    // The types do not know what `raw` makes of a document.
    if (!(document instanceof Uint8Array)) throw new Error('the driver did not return bytes');
    this.#documents++;
    this.#bytes += document.length;
    this.#hash.update(document);
    return Buffer.from(document.buffer, document.byteOffset, document.length);
  }

  /** The waiting document with the same `_id`, which then waits no more. */
  take(document: Buffer): Buffer | undefined {
    const { key } = idOf(document);
    const found = this.#unmatched.get(key);
    this.#unmatched.delete(key);
    return found;
  }

  keep(document: Buffer): void {
    if (this.#unmatched.size >= MOST_UNMATCHED) {
      throw new Error(
        `more than ${MOST_UNMATCHED} documents have no counterpart; one is ${idOf(document).text}`,
      );
    }
    // A copy: the driver's bytes are part of a whole batch.
    this.#unmatched.set(idOf(document).key, Buffer.from(document));
  }

  kept(): Iterable<Buffer> {
    return this.#unmatched.values();
  }

  read(): SideRead {
    return {
      documents: this.#documents,
      bytes: this.#bytes,
      sha256: this.#hash.digest('hex'),
    };
  }
}
