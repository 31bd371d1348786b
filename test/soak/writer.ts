import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientSession, type Db, type Document, MongoError, MongoServerError } from 'mongodb';
import { nextChange } from './changes.js';
import type { Profile } from './collections.js';
import type { Change, Lane } from './lane.js';
import { send } from './send.js';
import type { Tally } from './tally.js';

const TICK_MS = 20;
/** An application's rest when it cannot reach its server, in ms. */
const LOST_MS = 200;

/** A server said no, as it does to applications; nothing else is forgiven. */
class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** An application that makes the changes of one lane, one after another. */
export class Writer {
  readonly #db: Db;
  readonly #profile: Profile;
  readonly #lane: Lane;
  readonly #perSecond: number;
  readonly #tally: Tally;
  readonly #mayFail: boolean;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(
    db: Db,
    profile: Profile,
    lane: Lane,
    perSecond: number,
    tally: Tally,
    mayFail = false,
  ) {
    this.#db = db;
    this.#profile = profile;
    this.#lane = lane;
    this.#perSecond = perSecond;
    this.#tally = tally;
    this.#mayFail = mayFail;
  }

  /** `onFailure`: told of what no application would expect. */
  start(onFailure: (error: unknown) => void): void {
    this.#running = this.#run().catch(onFailure);
  }

  /** Ends the writing; returns when the last change is acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    // What a slow machine could not do is not made up for later: it would come as one burst.
    for (let made = 0; !this.#stopped; await sleep(TICK_MS)) {
      const due = ((performance.now() - startedAt) / 1000) * this.#perSecond;
      made = Math.max(made, Math.floor(due) - Math.ceil(this.#perSecond));
      for (; made < due && !this.#stopped; made++) await this.#make();
    }
  }

  async #make(): Promise<void> {
    const change = nextChange(this.#lane, this.#profile);
    try {
      if (change.mode === 'plain') await this.#each(change.commands);
      else await this.#transact(change);
      this.#tally.done(change.kind);
    } catch (error) {
      if (this.#mayFail && error instanceof MongoError && !(error instanceof MongoServerError)) {
        // It may have taken effect or not: both sides are compared, not what was meant.
        this.#tally.refused(change.kind, 0, error.message);
        await sleep(LOST_MS);
        return;
      }
      if (!(error instanceof Refusal) && !(error instanceof MongoServerError)) {
        throw new Error(`${this.#profile.name}: ${change.kind} failed`, { cause: error });
      }
      this.#tally.refused(change.kind, Number(error.code), error.message);
    }
  }

  async #transact({ mode, commands }: Change): Promise<void> {
    await this.#db.client.withSession((session) =>
      // Tries again by itself on write conflicts and unknown outcomes.
      session.withTransaction(
        async () => {
          await this.#each(commands, session);
          if (mode === 'abort') await session.abortTransaction();
        },
        { writeConcern: { w: 'majority' } },
      ),
    );
  }

  async #each(commands: readonly Document[], session?: ClientSession): Promise<void> {
    let refusal: Refusal | undefined;
    for (const command of commands) {
      const reply = await send(this.#db, command, session);
      const [first] = (reply['writeErrors'] ?? []) as { code: number; errmsg: string }[];
      if (!first) continue;
      refusal ??= new Refusal(first.code, first.errmsg);
      if (session) break;
    }
    if (refusal) throw refusal;
  }
}
