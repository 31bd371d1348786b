import type { Document } from 'mongodb';
import type { RawValue } from '../../src/mongo/raw.js';
import { int, text } from './bytes.js';
import type { Dice } from './dice.js';
import { seatDocument } from './documents.js';

const SEATS = 5;
const PERSONS = 12;

/** One statement of a transaction. */
export type Statement =
  | { readonly update: RawValue; readonly u: Document }
  | { readonly remove: RawValue }
  | { readonly insert: Buffer };

/**
 * Unique values that change hands within transactions: at every moment that others can see, each seat is
 * held by one document. The replay, which goes through the changes in ranges, sees it otherwise.
 */
export class Seats {
  readonly #name: string;
  /** By seat: the number of the document that holds it. */
  readonly #holders = Array.from({ length: SEATS }, (_, seat) => seat);

  /** `name`: what tells these seats from those of others in the collection. */
  constructor(name: string) {
    this.#name = name;
  }

  /** The documents to begin with, of which only some hold a seat. */
  documents(): Buffer[] {
    return this.#holders.map((person, seat) => seatDocument(this.#id(person), this.#seat(seat)));
  }

  /** Two or more seats go round. */
  rotate(dice: Dice): Statement[] {
    const seats = dice.some(
      this.#holders.map((_, seat) => seat),
      dice.between(2, SEATS),
    );
    const before = seats.map((seat) => this.#holder(seat));
    const after = [...before.slice(1), ...before.slice(0, 1)];
    const [first] = before;
    if (first === undefined) return [];
    seats.forEach((seat, index) => (this.#holders[seat] = after[index] ?? first));
    // The first gives first and gets last, so that each seat is free when it is taken.
    return [
      { update: this.#id(first), u: { $unset: { seat: '' } } },
      ...seats.map((seat) => this.#take(seat)),
    ];
  }

  /** A seat goes to another document: the one that had it leaves the index, but keeps the value. */
  handOver(dice: Dice): Statement[] {
    const seat = dice.below(SEATS);
    const from = this.#holder(seat);
    this.#holders[seat] = this.#free(dice);
    return [{ update: this.#id(from), u: { $set: { active: false } } }, this.#take(seat)];
  }

  /** The document that holds a seat is deleted, another one comes with it. */
  inherit(dice: Dice): Statement[] {
    const seat = dice.below(SEATS);
    const from = this.#holder(seat);
    const heir = this.#free(dice);
    this.#holders[seat] = heir;
    return [
      { remove: this.#id(from) },
      { remove: this.#id(heir) },
      { insert: seatDocument(this.#id(heir), this.#seat(seat)) },
    ];
  }

  #take(seat: number): Statement {
    const u = { $set: { seat: this.#seat(seat), active: true }, $inc: { moves: int(1) } };
    return { update: this.#id(this.#holder(seat)), u };
  }

  #free(dice: Dice): number {
    const persons = Array.from({ length: PERSONS }, (_, person) => person);
    return dice.pick(persons.filter((person) => !this.#holders.includes(person)));
  }

  #holder(seat: number): number {
    return this.#holders[seat] ?? 0;
  }

  #id(person: number): RawValue {
    return text(`person-${this.#name}-${person}`);
  }

  #seat(seat: number): RawValue {
    return text(`seat-${this.#name}-${seat}`);
  }
}
