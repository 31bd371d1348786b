import type { Document } from 'mongodb';
import { inParallel } from '../in-parallel.js';
import { bufferName, CONTROL_COLLECTION } from '../names.js';
import { keysBetween } from './bundle.js';
import type { FencedTarget } from './exact-write.js';
import type { KeySample } from './key-sample.js';
import type { Range } from './range.js';
import { RawValue, runCommand } from './raw.js';
import { isRefusal } from './refusal.js';
import { sortRoughly } from './rough-order.js';
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
/** Bytes of one command, which a server holds in memory twice: to find the last document of each `_id`, and to sort. */
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * Lets the target server write the last document per `_id` of a range, several commands at a time, each with
 * `_id`s of its own. All of them have ended on return.
 * @returns whether it did; not when it does not take one of them: before 5.0 `$merge` refuses names
 * within a document that an insert takes.
 */
export async function mergeRange(target: FencedTarget, range: Range): Promise<boolean> {
  const errors: unknown[] = [];
  await inParallel(partsOf(range.documents, target.capped), AT_ONCE, async (part) => {
    if (errors.length > 0) return;
    await merge(target, range, part).catch((error: unknown) => void errors.push(error));
    target.touch();
  });
  // After these the server has ended the command; after any other it may still be at work, which only a successor ends.
  const isEnded = (error: unknown) => isRefusal(error) || isLate(error);
  const error = errors.find((one) => !isEnded(one)) ?? errors.find(isLate);
  if (error !== undefined) throw error;
  return errors.length === 0;
}

/** Whether a server has ended a command at its time limit, also where it was the majority that it waited for. */
export function isLate(error: unknown): boolean {
  return (error as { code?: unknown }).code === MAX_TIME_EXPIRED;
}

async function merge(target: FencedTarget, range: Range, part: Part): Promise<void> {
  const command = {
    aggregate: CONTROL_COLLECTION,
    pipeline: mergePipeline(target, range, part),
    cursor: {},
    allowDiskUse: true,
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
 * whatever their bytes. Where it is cut matters for the speed alone.
 */
function partsOf(documents: KeySample, isOrdered: boolean): Part[] {
  const length = documents.count;
  const usual = Math.min(USUAL.commands, Math.ceil(length / USUAL.documents));
  const worth = Math.min(Math.max(AT_ONCE, usual), Math.floor(length / LEAST_DOCUMENTS));
  const count = Math.max(worth, Math.min(length, Math.ceil(documents.bytes / MOST_BYTES)));
  if (isOrdered || count < 2) return [undefined];
  const some = documents.keys.map((key) => RawValue.ofKey(key));
  const sample = sortRoughly(some, (id) => id);
  const cuts = Array.from({ length: count - 1 }, (_, index) => ({
    $literal: sample[Math.floor((sample.length * (index + 1)) / count)],
  }));
  return Array.from({ length: count }, (_, index) => {
    const to = cuts[index];
    // After all before it, not the last one alone: where the order is rough, cuts may not be in the server's.
    const bounds = [
      ...cuts.slice(0, index).map((from) => ({ $gte: ['$$this.k.i', from] })),
      ...(to ? [{ $lt: ['$$this.k.i', to] }] : []),
    ];
    return { $and: bounds };
  });
}
