import type { Document } from 'mongodb';
import { inParallel } from '../in-parallel.js';
import { bufferName, CONTROL_COLLECTION } from '../names.js';
import { keysBetween } from './bundle.js';
import { chunks, idLimits } from './chunks.js';
import type { FencedTarget } from './exact-write.js';
import type { KeySample } from './key-sample.js';
import type { Range } from './range.js';
import { fields, RawValue, runCommand } from './raw.js';
import { RawCursor } from './raw-cursor.js';
import { isRefusal } from './refusal.js';
import { isOrderKnown, sortRoughly } from './rough-order.js';
import { MERGE_TIME_LIMIT_MS, replayComment } from './takeover.js';

/** Code of a server whose command has met its `maxTimeMS`. */
const MAX_TIME_EXPIRED = 50;
/** `$merge` commands of one range at the same time. */
const AT_ONCE = 2;
/** Documents for which another command is worth its while. */
const LEAST_DOCUMENTS = 1_000;
/**
 * Commands of a range of many documents, of which each has so many at least: each command goes through all of the range,
 * 0.8 µs for a change of 500 bytes (6.0.5).
 */
const USUAL = { commands: 4, documents: 12_500 } as const;
/**
 * Of what one command holds in the server's memory, which takes 100 MB to find the last document of each `_id`, and as
 * much to sort: parts are as large as a sample says.
 */
const MOST_BYTES = 72 * 1024 * 1024;
/** What a document takes there: 440, 881, 2,416 and 18,182 bytes one of 60, 500, 2,000 and 16,000 (6.0.5). */
const IN_MEMORY = { times: 1.15, more: 400 } as const;
/** What a server says that has no room for a command in its memory: in general, and before 4.4 of a `$group` and a `$sort`. */
const NO_ROOM: readonly unknown[] = [292, 16945, 16819, 16820];

/**
 * Lets the target server write the last document per `_id` of a range, several commands at a time, each with
 * `_id`s of its own. All of them have ended on return.
 * @returns whether it did; not when it does not take one of them: before 5.0 `$merge` refuses names
 * within a document that an insert takes. Nor when a part is larger than it has memory for.
 */
export async function mergeRange(target: FencedTarget, range: Range): Promise<boolean> {
  const errors: unknown[] = [];
  await inParallel(await partsOf(range.documents, target), AT_ONCE, async (part) => {
    if (errors.length > 0) return;
    await merge(target, range, part).catch((error: unknown) => void errors.push(error));
    target.touch();
  });
  // After these the server has ended the command; after any other it may still be at work, which only a successor ends.
  const isEnded = (error: unknown) => isRefusal(error) || hasNoRoom(error) || isLate(error);
  const error = errors.find((one) => !isEnded(one)) ?? errors.find(isLate);
  if (error !== undefined) throw error;
  return errors.length === 0;
}

/** Whether a server has ended a command at its time limit, also where it was the majority that it waited for. */
export function isLate(error: unknown): boolean {
  return (error as { code?: unknown }).code === MAX_TIME_EXPIRED;
}

function hasNoRoom(error: unknown): boolean {
  return NO_ROOM.includes((error as { code?: unknown }).code);
}

async function merge(target: FencedTarget, range: Range, part: Part): Promise<void> {
  const command = {
    aggregate: CONTROL_COLLECTION,
    pipeline: mergePipeline(target, range, part),
    cursor: {},
    // A server writes documents to its disk value by value: one with the same name twice comes back with other bytes.
    allowDiskUse: false,
    maxTimeMS: MERGE_TIME_LIMIT_MS,
    comment: replayComment(target.control.runId, target.epoch),
    writeConcern: { w: 'majority' },
  };
  await runCommand(target.db, command, { signal: target.signal });
}

/**
 * The stages of a merge, to be run on the control collection: with another epoch in the control
 * document there is nothing to look up. Begun from there, the fence costs nothing that can be
 * measured; as a `$lookup` for each change it cost a quarter more.
 */
function mergePipeline(
  { collection, control, epoch, capped }: FencedTarget,
  { after, end }: Range,
  part: Part,
): Document[] {
  return [
    { $match: { _id: control.id, runId: control.runId, 'replay.epoch': epoch } },
    {
      $lookup: {
        from: bufferName(collection),
        pipeline: [
          { $match: { _id: keysBetween(after, end) } },
          { $sort: { _id: 1 } },
          // Before they are taken out of their bundles, which costs twice as much.
          ...(part ? [{ $project: { c: { $filter: { input: '$c', cond: part } } } }] : []),
          { $unwind: '$c' },
          { $replaceRoot: { newRoot: '$c' } },
          // A grouping would lose the natural order.
          ...(capped ? [] : [{ $group: { _id: '$k.i', o: { $last: '$o' }, d: { $last: '$d' } } }]),
          { $match: { o: 'u' } },
          // Neighbours one after the other: a server writes each page of the collection once, not again and again.
          ...(capped ? [] : [{ $sort: { _id: 1 } }]),
          { $project: { _id: 0, d: 1 } },
        ],
        as: 'change',
      },
    },
    { $unwind: '$change' },
    { $replaceRoot: { newRoot: '$change.d' } },
    { $merge: { into: collection, whenMatched: 'replace', whenNotMatched: 'insert' } },
  ];
}

/** Condition for a change, `this`; nothing is all of them. */
type Part = Document | undefined;

/**
 * Conditions that share out all changes by `_id`, in the server's own order, in which equal ones are together
 * whatever their bytes. None is left out wherever it is cut.
 */
async function partsOf(documents: KeySample, target: FencedTarget): Promise<Part[]> {
  const length = documents.count;
  const usual = Math.min(USUAL.commands, Math.ceil(length / USUAL.documents));
  const worth = Math.min(Math.max(AT_ONCE, usual), Math.floor(length / LEAST_DOCUMENTS));
  const bytes = inMemory(documents.bytes, length);
  const count = Math.max(worth, Math.min(length, Math.ceil(bytes / MOST_BYTES)));
  if (target.capped || count < 2) return [undefined];
  const cuts = chooseCuts(await sortIds(target, documents.keys), documents, count);
  return [...cuts, undefined].map((to, index) => {
    const from = cuts[index - 1];
    return {
      $and: [
        ...(from ? [{ $gte: ['$$this.k.i', { $literal: from }] }] : []),
        ...(to ? [{ $lt: ['$$this.k.i', { $literal: to }] }] : []),
      ],
    };
  });
}

/** Cuts sorted `_id`s where parts are even by what their documents take in memory. */
function chooseCuts(sorted: readonly RawValue[], documents: KeySample, count: number): RawValue[] {
  const weigh = ({ key }: RawValue) => inMemory(documents.sizeOf(key), 1);
  const all = sorted.reduce((sum, id) => sum + weigh(id), 0);
  let before = 0;
  return sorted.filter((id) => {
    const part = Math.floor((before * count) / all);
    before += weigh(id);
    return part < Math.min(count - 1, Math.floor((before * count) / all));
  });
}

function inMemory(bytes: number, documents: number): number {
  return IN_MEMORY.times * bytes + IN_MEMORY.more * documents;
}

/** Sorts `_id`s as the server does, which is asked where that is not known here; of long ones some. */
async function sortIds(
  { db, control, signal }: FencedTarget,
  keys: readonly string[],
): Promise<RawValue[]> {
  const ids = keys.map((key) => RawValue.ofKey(key));
  if (isOrderKnown(ids)) return sortRoughly(ids, (id) => id);
  const [some = []] = chunks(ids, ({ bytes }) => bytes.length, { ...idLimits, items: ids.length });
  const pipeline = [
    { $match: { _id: control.id } },
    { $project: { _id: 0, id: { $literal: some } } },
    { $unwind: '$id' },
    { $sort: { id: 1 } },
  ];
  const command = { aggregate: CONTROL_COLLECTION, pipeline, cursor: { batchSize: ids.length } };
  await using sorted = await RawCursor.open(db, command, { signal });
  const { documents } = await sorted.next();
  return documents.flatMap((document) => fields(document).get('id') ?? []);
}
