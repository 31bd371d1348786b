import type { Document } from 'mongodb';
import { RawValue } from '../../src/mongo/raw.js';
import { int, text } from './bytes.js';
import type { Profile } from './collections.js';
import { email, isFragile, largeDocument } from './documents.js';
import type { Change, Lane } from './lane.js';

/**
 * How often each kind of change is made; forms of updates have one weight together. In capped collections there
 * are no transactions.
 */
const cappedWeights = {
  insert: 20,
  update: 60,
  upsert: 4,
  replace: 7,
  bulk: 4,
  updateMany: 1,
  modifyUpdate: 2,
  modifyReplace: 2,
  hot: 6,
};

/**
 * Servers delete in capped collections from 5.0 on. What is inserted again during the copy may not keep its
 * place, which is a limit of the product.
 */
const cappedDeletes = { ...cappedWeights, delete: 5, modifyRemove: 2 };

/**
 * What changes the size of a document changes what the collection still has, and depends on the moment: a copy of
 * what it was later has another history.
 */
const agingWeights = { insert: 60, touch: 40 };

const usualWeights = {
  ...cappedWeights,
  replaceOdd: 3,
  delete: 9,
  revive: 4,
  retype: 3,
  retypeInPlace: 2,
  bulkMixed: 2,
  modifyRemove: 2,
  deleteInsert: 2,
  transaction: 3,
  aborted: 2,
  retypeInTransaction: 2,
  rotateSeats: 2,
  handOverSeat: 2,
  inheritSeat: 1,
  swapEmails: 1,
};

/** Rare, because each is worth thousands of others in bytes. */
const largeWeights = { ...usualWeights, large: 0.03, largeTransaction: 0.02 };
type Kind = keyof typeof largeWeights | keyof typeof agingWeights;

const HUGE = 6 * 1024 * 1024;
/** Hot documents take updates of all forms. */
const HOT = { n: 1 };

/** Kinds of changes; of an update also the form. */
const makers: Readonly<Record<Exclude<Kind, 'update'>, (lane: Lane) => Partial<Change>>> = {
  insert: (lane) => plain(lane.insert(lane.newDocument(lane.create()))),
  touch: (lane) => plain(lane.update(lane.recent().value, { u: { $inc: { counter: int(1) } } })),
  upsert: (lane) => {
    const id = lane.create();
    return plain(lane.update(id.value, lane.updateFor(id, 'set'), true));
  },
  replace: (lane) => {
    const id = lane.any();
    return plain(lane.replace(id.value, lane.replacement(id), lane.dice.chance(0.2)));
  },
  replaceOdd: (lane) => {
    const id = lane.any();
    const bytes = lane.newDocument(id);
    if (isFragile(id.n)) return plain(lane.remove(id.value), lane.insert(bytes));
    // By a pipeline, which takes names that a replacement cannot have.
    const document = RawValue.document(bytes);
    return plain(lane.update(id.value, { u: [{ $replaceWith: { $literal: document } }] }));
  },
  delete: (lane) => plain(lane.remove(lane.take().value)),
  revive: (lane) => plain(lane.insert(lane.newDocument(lane.revive()))),
  retype: (lane) => plain(...retype(lane)),
  retypeInTransaction: (lane) => commit(...retype(lane)),
  retypeInPlace: (lane) => {
    const { before, after } = lane.retype();
    return plain(lane.replace(before.value, lane.replacement(after), lane.dice.chance(0.2)));
  },
  deleteInsert: (lane) => {
    const id = lane.any();
    return plain(lane.remove(id.value), lane.insert(lane.newDocument(id)));
  },
  bulk: (lane) => {
    const statements = several(lane, 20, () => lane.anyStatement());
    return plain(lane.updateMany(...statements));
  },
  bulkMixed: (lane) =>
    plain(
      lane.insert(...several(lane, 10, () => lane.newDocument(lane.create()))),
      lane.updateMany(...several(lane, 10, () => lane.anyStatement())),
      lane.remove(...several(lane, 10, () => lane.take().value)),
    ),
  updateMany: (lane) => {
    const ids = several(lane, 20, () => lane.any().value);
    return plain(
      lane.updateMany({ q: { _id: { $in: ids } }, u: { $inc: { counter: int(1) } }, multi: true }),
    );
  },
  modifyUpdate: (lane) => {
    const id = lane.any();
    const { u, arrayFilters } = lane.updateFor(id);
    const what = { update: u, new: true, ...(arrayFilters && { arrayFilters }) };
    return plain(lane.findAndModify(id.value, what));
  },
  modifyReplace: (lane) => {
    const id = lane.any();
    const update = RawValue.document(lane.replacement(id));
    return plain(lane.findAndModify(id.value, { update, upsert: true }));
  },
  modifyRemove: (lane) => plain(lane.findAndModify(lane.take().value, { remove: true })),
  hot: (lane) => {
    const forms = ['inc', 'pushSlice', 'pushSort', 'setOdd', 'emptyTimestamp'];
    const form = lane.dice.pick(forms.filter((one) => lane.forms.includes(one)));
    return plain(lane.update(lane.hot(), lane.updateFor(HOT, form)));
  },
  transaction: (lane) =>
    commit(
      ...several(lane, 6, () => {
        const kind = lane.dice.weighted({ insert: 2, update: 4, delete: 1, hot: 0.2 });
        if (kind === 'insert') return lane.insert(lane.newDocument(lane.create()));
        if (kind === 'delete') return lane.remove(lane.take().value);
        if (kind === 'hot') return lane.update(lane.hot(), lane.updateFor(HOT, 'inc'));
        return lane.updateMany(lane.anyStatement());
      }),
    ),
  aborted: (lane) => ({
    mode: 'abort',
    commands: [
      lane.insert(lane.newDocument(lane.next())),
      lane.updateMany(lane.anyStatement()),
      lane.remove(lane.any().value),
    ],
  }),
  rotateSeats: (lane) => commit(...lane.seats.rotate(lane.dice).map((one) => lane.command(one))),
  handOverSeat: (lane) => commit(...lane.seats.handOver(lane.dice).map((one) => lane.command(one))),
  inheritSeat: (lane) => commit(...lane.seats.inherit(lane.dice).map((one) => lane.command(one))),
  swapEmails: (lane) => {
    const [one, other] = [lane.any(), lane.any()];
    return commit(
      lane.update(one.value, { u: { $unset: { email: '' } } }),
      lane.update(other.value, { u: { $set: Object.fromEntries([email(one.n)]) } }),
      lane.update(one.value, { u: { $set: Object.fromEntries([email(other.n)]) } }),
    );
  },
  large: (lane) => {
    const { id, document } = lane.large();
    return plain(lane.replace(id, document, true));
  },
  // More than 16 MB in total, which the server splits into several entries of its oplog.
  largeTransaction: (lane) =>
    commit(
      ...[0, 1, 2].map((part) => {
        const id = text(`part-${part}`);
        return lane.replace(id, largeDocument(id, HUGE + lane.dice.below(1000)), true);
      }),
    ),
};

/** The next change of a lane. */
export function nextChange(lane: Lane, profile: Profile): Change {
  const weights: Partial<Record<Kind, number>> = profile.large
    ? largeWeights
    : profile.kind === 'capped'
      ? profile.cappedDeletes
        ? cappedDeletes
        : cappedWeights
      : profile.kind === 'aging'
        ? agingWeights
        : usualWeights;
  const kind = lane.dice.weighted(weights as Record<Kind, number>);
  if (kind !== 'update') return { kind, mode: 'plain', commands: [], ...makers[kind](lane) };
  const form = lane.dice.pick(lane.forms);
  const id = lane.any();
  const commands = [lane.update(id.value, lane.updateFor(id, form))];
  return { kind: `update ${form}`, mode: 'plain', commands };
}

function plain(...commands: readonly Document[]): Partial<Change> {
  return { commands };
}

function commit(...commands: readonly Document[]): Partial<Change> {
  return { mode: 'commit', commands };
}

function retype(lane: Lane): Document[] {
  const { before, after } = lane.retype();
  return [lane.remove(before.value), lane.insert(lane.newDocument(after))];
}

function several<T>(lane: Lane, most: number, make: () => T): T[] {
  return Array.from({ length: lane.dice.between(2, most) }, make);
}
