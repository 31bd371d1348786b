import type { Document } from 'mongodb';
import { showId } from './compare.js';
import type { RawValue } from './raw.js';
import { shorten } from '../shorten.js';

/** A document of the source that the target does not take, and what its server says of it. */
export interface Refusal {
  readonly id: RawValue;
  readonly why: string;
}

const DUPLICATE_KEY = 11000;

/**
 * Codes by which a server does not take a document that another version has stored, seen or documented:
 * `$`-prefixed names before 5.0 (2 on insert, 52 on update), what a DBRef may be (55 to 57), nesting (15),
 * malformed BSON (22, 378), size (10334, 17419), another size in a capped collection before 6.0 (10003), there too
 * an `_id` over one that is equal under a collation (66).
 */
const documentCodes = [2, 15, 22, 52, 53, 55, 56, 57, 66, 378, 10003, 10334, 17419];
/**
 * Codes by which an index cannot have a document, as the server's own list has them: parallel arrays, symbols under a
 * collation, numbers for names in an array (16746), keys that are too long (17280), then those of indexes for 2d, of
 * hashes, for 2dsphere, of text, and for haystacks.
 */
const indexCodes = [
  171, 201, 16746, 17280, 13026, 13027, 13067, 13068, 16804, 16766, 16755, 16756, 16675, 16732,
  16733, 17261, 17262, 16775, 16776,
];
const refusalCodes = new Set([...documentCodes, ...indexCodes]);
/** Of them, those with which a server refuses a whole message, for a document in it that it does not name. */
const messageCodes = new Set([22, 378, 10334]);

/** A server does not take one of the documents that a statement held. */
export class RefusedError extends Error {}

/** What is wrong with one document of a message. */
export interface WriteError {
  readonly index: number;
  readonly code: number;
  readonly errmsg: string;
}

/** Why a document was refused, if that is what the error says. */
export function refusalIn(error: unknown): string | undefined {
  if (error instanceof RefusedError) return error.message;
  const { code, message } = error as { code?: unknown; message?: string };
  return messageCodes.has(Number(code)) ? message : undefined;
}

/** Whether a write, or the error of a `$merge`, failed because of a document that the server does not take. */
export function isRefusal(error: unknown): boolean {
  return refusalCodes.has(Number((error as { code?: unknown }).code));
}

/** How documents are sent. */
export interface Sending<T> {
  /** Sends some in one message. */
  readonly send: (some: readonly T[]) => Promise<Document>;
  /** Whether the message ends with the first error in it. */
  readonly ordered: boolean;
  /** Throws what is wrong with a document otherwise. */
  readonly fail: (error: WriteError) => never;
}

/**
 * Sends documents, and finds those that the server does not take: the others are all written, in order.
 * Documents that are there already stay as they are.
 *
 * @returns those that are not taken, each with the server's words
 */
export async function sendSieved<T>(
  documents: readonly T[],
  { send, ordered, fail }: Sending<T>,
): Promise<Map<T, string>> {
  const refused = new Map<T, string>();
  const waiting = [documents];
  for (let some = waiting.pop(); some; some = waiting.pop()) {
    const [first] = some;
    if (first === undefined) continue;
    try {
      const reply = await send(some);
      const errors = (reply['writeErrors'] ?? []) as WriteError[];
      for (const error of errors) {
        if (error.code === DUPLICATE_KEY) continue;
        const document = some[error.index];
        if (document === undefined || !isRefusal(error)) return fail(error);
        refused.set(document, error.errmsg);
      }
      // In an ordered message nothing is tried after an error.
      const last = ordered ? errors.at(-1) : undefined;
      if (last) waiting.push(some.slice(last.index + 1));
    } catch (error) {
      const why = refusalIn(error);
      if (why === undefined) throw error;
      if (some.length === 1) {
        refused.set(first, why);
        continue;
      }
      const half = some.length >> 1;
      waiting.push(some.slice(half), some.slice(0, half));
    }
  }
  return refused;
}

/**
 * A refusal as people see it. Servers put values, and for some indexes the whole document, behind the first
 * words of what they say.
 */
export function showRefusal({ id, why }: Refusal): { id: string; why: string } {
  return { id: showId(id), why: shorten(why.replace(/^(Can't extract geo keys).*$/s, '$1')) };
}
