import type { Document } from 'mongodb';
import { RawValue } from '../../src/mongo/raw.js';
import { documentOf, text } from './bytes.js';
import type { Profile } from './collections.js';
import { Dice } from './dice.js';
import {
  hotDocument,
  isFragile,
  largeDocument,
  MOST_BYTES,
  newDocument,
  ordinaryFields,
} from './documents.js';
import { equalId, type Id, idSeries, singularId, singularIds } from './ids.js';
import { Seats, type Statement } from './seats.js';
import { dollarForms, type Update, updates } from './updates.js';

/** Commands of one application's lane: made in the same order for the same seed, whatever the server says. */
export interface Change {
  readonly kind: string;
  /** `plain`: one after another; otherwise in one transaction, which is committed or aborted. */
  readonly mode: 'plain' | 'commit' | 'abort';
  readonly commands: readonly Document[];
}

const HOT = 5;
/** Part of the new documents that are odd at the top. */
const ODD = 0.25;
const LARGE = 4;
const YOUNG = 100;
const GONE_KEPT = 500;
const MEGABYTE = 1024 * 1024;

/** What is there and what was, of one lane's own documents. */
export class Lane {
  readonly dice: Dice;
  readonly seats: Seats;
  /** The forms that its updates have. */
  readonly forms: readonly string[];
  readonly #profile: Profile;
  readonly #number: number;
  readonly #living: Id[] = [];
  readonly #gone: Id[] = [];
  #made = 0;

  constructor(profile: Profile, seed: number, number: number) {
    this.dice = new Dice('lane', seed, profile.name, number);
    this.seats = new Seats(String(number));
    this.forms = formsOf(profile);
    this.#profile = profile;
    this.#number = number;
  }

  /** The documents that are there before the migration. Call it once, and first. */
  *load(): Generator<Buffer> {
    if (this.#number === 0) yield* this.#special();
    yield* this.seats.documents();
    const own = Math.ceil(this.#profile.documents / this.#profile.lanes);
    for (let count = 0; count < own; count++) yield this.newDocument(this.create());
  }

  /** A new `_id`, of a document that lives from now on. */
  create(): Id {
    const id = this.next();
    this.#living.push(id);
    return id;
  }

  /** A new `_id` of a document that is nobody's. */
  next(): Id {
    this.#made++;
    const number = this.#made * this.#profile.lanes + this.#number;
    return idSeries[this.#profile.ids](number, this.dice);
  }

  /** One of the living. */
  any(): Id {
    return this.#living.length > 0 ? this.dice.pick(this.#living) : this.create();
  }

  /** One of the youngest, which a collection that ages has yet. */
  recent(): Id {
    const young = this.#living.slice(-YOUNG);
    return young.length > 0 ? this.dice.pick(young) : this.create();
  }

  /** Takes one of the living away. */
  take(): Id {
    const at = this.dice.below(this.#living.length);
    const id = this.#living[at];
    const last = this.#living.pop();
    if (!id || !last) return this.create();
    if (at < this.#living.length) this.#living[at] = last;
    if (this.#gone.length < GONE_KEPT) this.#gone.push(id);
    return id;
  }

  /** Brings one back that was taken away, perhaps with other bytes in its `_id`. */
  revive(): Id {
    const gone = this.#gone.pop();
    if (!gone) return this.create();
    const id = this.dice.chance(0.5) ? (equalId(gone, this.dice) ?? gone) : gone;
    this.#living.push(id);
    return id;
  }

  /** Gives one of the living an `_id` of the same value and other bytes. */
  retype(): { readonly before: Id; readonly after: Id } {
    const before = this.take();
    this.#gone.pop();
    const after = equalId(before, this.dice) ?? before;
    this.#living.push(after);
    return { before, after };
  }

  /** A document that each lane changes. */
  hot(): RawValue {
    return text(`hot-${this.dice.below(HOT)}`);
  }

  /** A document of about 16 MB. */
  large(): { readonly id: RawValue; readonly document: Buffer } {
    const bytes = this.dice.pick([MOST_BYTES, MOST_BYTES - 100, 15.9 * MEGABYTE, 12 * MEGABYTE]);
    const id = text(`large-${this.dice.below(LARGE)}`);
    return { id, document: largeDocument(id, Math.floor(bytes)) };
  }

  newDocument(id: Id): Buffer {
    // The one case in which a capped collection does not keep its order: names that begin with `$` beside
    // names that occur twice, which the replay writes by a delete.
    const { kind } = this.#profile;
    const plain = kind === 'aging' || (kind === 'capped' && isFragile(id.n));
    const { dollarNames } = this.#profile;
    return newDocument(id.value, id.n, this.dice, { odd: plain ? 0 : ODD, dollarNames });
  }

  /** A replacement: it has no name that begins with `$`, which would make it an update. */
  replacement(id: Id): Buffer {
    const fields = ordinaryFields(id.n, this.dice);
    if (this.dice.chance(0.3)) fields.reverse();
    return documentOf([['_id', id.value], ...fields]);
  }

  insert(...documents: readonly Uint8Array[]): Document {
    return {
      insert: this.#profile.name,
      documents: documents.map((bytes) => RawValue.document(bytes)),
      ordered: false,
      ...this.#bypass(),
    };
  }

  update(id: RawValue, update: Update, upsert = false): Document {
    return this.updateMany({ ...statementOf(id, update), upsert });
  }

  /** A statement that updates one of the living, in any form that it can have. */
  anyStatement(): Document {
    const id = this.any();
    return statementOf(id.value, this.updateFor(id));
  }

  updateMany(...statements: readonly Document[]): Document {
    return {
      update: this.#profile.name,
      updates: statements,
      ordered: false,
      ...this.#bypass(),
    };
  }

  replace(id: RawValue, document: Uint8Array, upsert = false): Document {
    return this.update(id, { u: RawValue.document(document) }, upsert);
  }

  remove(...ids: readonly RawValue[]): Document {
    return {
      delete: this.#profile.name,
      deletes: ids.map((id) => ({ q: { _id: { $eq: id } }, limit: 1 })),
    };
  }

  findAndModify(id: RawValue, what: Document): Document {
    const query = { _id: { $eq: id } };
    const bypass = 'remove' in what ? {} : this.#bypass();
    return { findAndModify: this.#profile.name, query, ...what, ...bypass };
  }

  /** An update of a form, or of a random one where the document cannot have that. */
  updateFor({ n }: Pick<Id, 'n'>, form = this.dice.pick(this.forms)): Update {
    const update = updates[form]?.(this.dice);
    if (!update) throw new Error(`no such form of an update: ${form}`);
    return isFragile(n) && Array.isArray(update.u) ? this.updateFor({ n }) : update;
  }

  command(statement: Statement): Document {
    if ('insert' in statement) return this.insert(statement.insert);
    if ('remove' in statement) return this.remove(statement.remove);
    return this.update(statement.update, { u: statement.u }, true);
  }

  *#special(): Generator<Buffer> {
    for (let hot = 0; hot < HOT; hot++) yield hotDocument(text(`hot-${hot}`));
    if (this.#profile.large) {
      yield largeDocument(text('large-0'), MOST_BYTES);
      yield largeDocument(text('large-1'), MOST_BYTES - 50);
    }
    if (this.#profile.ids !== 'mixed' && this.#profile.ids !== 'referring') return;
    for (const [index, values] of singularIds.entries()) {
      // Numbers below zero are no other document's.
      const id = singularId(values, -1 - index, this.dice);
      this.#living.push(id);
      yield this.newDocument(id);
    }
  }

  #bypass(): Document {
    return this.#profile.bypass ? { bypassDocumentValidation: true } : {};
  }
}

function formsOf({ dollarNames, emptyTimestamps }: Profile): string[] {
  return Object.keys(updates)
    .filter((form) => dollarNames || !dollarForms.includes(form))
    .filter((form) => emptyTimestamps || form !== 'emptyTimestamp');
}

function statementOf(id: RawValue, { where, u, arrayFilters }: Update): Document {
  return { q: { _id: { $eq: id }, ...where }, u, ...(arrayFilters && { arrayFilters }) };
}
