import { setTimeout as sleep } from 'node:timers/promises';
import { type Db, MongoError, MongoServerError } from 'mongodb';
import type { Profile } from './collections.js';
import { Dice } from './dice.js';
import { send } from './send.js';
import { droppable, nextShapeChange } from './shapes.js';
import type { Tally } from './tally.js';

/** Between two changes, in ms: some come within one look of the migration's at the catalogue. */
const REST_MS = [200, 400, 1_500, 4_000];

/** Somebody who changes indexes and options of all collections, one change after another. */
export class ShapeWriter {
  readonly #db: Db;
  readonly #profiles: readonly Profile[];
  readonly #tally: Tally;
  /** Names of the indexes that may be dropped, by collection. */
  readonly #present: ReadonlyMap<Profile, Set<string>>;
  readonly #dice: Dice;
  #stopped = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(db: Db, profiles: readonly Profile[], seed: number, tally: Tally) {
    this.#db = db;
    this.#profiles = profiles;
    this.#tally = tally;
    this.#present = new Map(profiles.map((each) => [each, new Set(droppable(each))]));
    this.#dice = new Dice('shapes', seed);
  }

  /** `onFailure`: told of what nobody would expect. */
  start(onFailure: (error: unknown) => void): void {
    this.#running = this.#run().catch(onFailure);
  }

  /** Ends the changes; returns when the last one is acknowledged. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#make(this.#dice.pick(this.#profiles));
      await sleep(this.#dice.pick(REST_MS), undefined, { signal }).catch(() => {});
    }
  }

  async #make(profile: Profile): Promise<void> {
    const present = this.#present.get(profile) ?? new Set();
    const { kind, commands } = nextShapeChange(profile, this.#dice, present);
    try {
      for (const command of commands) {
        await send(this.#db, command);
        if ('dropIndexes' in command) present.delete(String(command['index']));
        const created = (command['indexes'] ?? []) as readonly { readonly name: string }[];
        for (const { name } of created) present.add(name);
      }
      this.#tally.done(kind);
    } catch (error) {
      if (!(error instanceof MongoError)) throw error;
      // An index like another one, say.
      const code = error instanceof MongoServerError ? Number(error.code) : 0;
      this.#tally.refused(kind, code, error.message);
    }
  }
}
