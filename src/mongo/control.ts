import type { ClientSession, Collection, Db, Document } from 'mongodb';
import { errorTypes, PermanentError, TransientError } from '../errors.js';
import { CONTROL_COLLECTION, parseNamespace } from '../names.js';
import type { Limits } from '../tuning.js';
import { ControlBatch } from './control-batch.js';
import { insertControl } from './control-collection.js';
import type { ResumeToken } from './token.js';
import { CONTROL_KIND, type Role, type ControlDocument } from './control-document.js';

/** What is taken off the record of a cutover that has not opened the target. */
const NOT_OPENED = { fence: '', prepared: '', unbuilt: '' } as const;

/** Identity of a run, as the control document holds it. */
export interface Identity {
  readonly workflowId: string;
  readonly runId: string;
  readonly source: string;
  readonly namespace: string;
  readonly targetNamespace: string;
  /** Which copy; missing for the first. */
  readonly round?: number | undefined;
  /** See `Traits.stagingTag`. */
  readonly stagingTag?: string | undefined;
}

/** A step that a role has made, and the control document after it. */
export interface Advance {
  readonly role: Role;
  readonly increments: Readonly<Record<string, number>>;
  readonly document: ControlDocument;
}

/** Says that this attempt has a successor, which goes on in its place. */
export class FencedError extends TransientError {
  constructor(role: string) {
    super(errorTypes.fenced, `a newer attempt of ${role} has taken over; this one has stopped`);
  }
}

/**
 * The control document of one migration run. Every update names the run and, where a role writes,
 * its epoch: a late write of a predecessor finds nothing to change. What belongs to a copy names its
 * round too.
 */
export class Control {
  readonly db: Db;
  readonly id: string;
  readonly runId: string;
  readonly round: number;
  readonly #identity: Identity;
  readonly #batch: ControlBatch;
  readonly #collection: Collection<ControlDocument>;
  readonly #onAdvance: ((advance: Advance) => void) | undefined;

  /** @param onAdvance told of every step that this worker makes. */
  constructor(db: Db, identity: Identity, onAdvance?: (advance: Advance) => void) {
    this.db = db;
    this.#onAdvance = onAdvance;
    this.id = parseNamespace(identity.targetNamespace).collection;
    this.runId = identity.runId;
    this.round = identity.round ?? 0;
    this.#identity = identity;
    this.#batch = ControlBatch.of(db);
    this.#collection = this.#batch.collection;
  }

  /**
   * Creates the control document. A second call of the same run finds it as it is.
   * @throws PermanentError MigrationExists when another run has it.
   */
  async claim(): Promise<ControlDocument> {
    const { workflowId, runId, source, namespace, stagingTag } = this.#identity;
    await insertControl(this.db, {
      _id: this.id,
      kind: CONTROL_KIND,
      workflowId,
      runId,
      source,
      namespace,
      startedAt: new Date(),
      ...(stagingTag !== undefined && { stagingTag }),
      capture: { epoch: 0, events: 0, buffered: 0, bytes: 0, rate: 0 },
      replay: { epoch: 0, events: 0, rate: 0 },
    });
    const found = await this.#collection.findOne({ _id: this.id });
    if (!found || found.runId !== runId) {
      throw new PermanentError(
        errorTypes.migrationExists,
        `another migration (workflow ${found?.workflowId ?? 'unknown'}) writes to ` +
          `${this.#identity.targetNamespace}; abort it or wait for its end`,
      );
    }
    return found;
  }

  /**
   * Reads the control document of this run.
   * @throws PermanentError ControlDocumentLost when it is gone or another run's.
   */
  async read(): Promise<ControlDocument> {
    const found = await this.find();
    if (!found) throw this.#lost();
    return found;
  }

  /** Reads the control document of this run, or nothing when it is gone. */
  async find(): Promise<ControlDocument | undefined> {
    return this.#batch.read(this.#own());
  }

  /**
   * Fixes the position from which capture starts, once and for all: moved by an attempt that was cut off,
   * it could be after what the copy has read.
   * @returns the position that is fixed, which another attempt may have been first with.
   */
  async fixStart(startToken: ResumeToken): Promise<ResumeToken> {
    const open = { ...this.#own(), startToken: { $exists: false } };
    await this.#collection.updateOne(open, { $set: { startToken } });
    return (await this.read()).startToken ?? startToken;
  }

  /** Sets fields of the control document, whoever holds the epochs and whichever copy it is. */
  async set(fields: Document): Promise<void> {
    const { matchedCount } = await this.#collection.updateOne(this.#own(), { $set: fields });
    if (matchedCount === 0) throw this.#lost();
  }

  /**
   * Sets the limits that running activities look at, unless a later attempt of `tune` has.
   * @param scheduledAt when this attempt was scheduled, by Temporal's clock.
   */
  async setLimits(limits: Limits, scheduledAt: Date): Promise<void> {
    const { matchedCount } = await this.#collection.updateOne(
      { ...this.#own(), limitsAt: { $not: { $gt: scheduledAt } } },
      { $set: { limits, limitsAt: scheduledAt } },
    );
    if (matchedCount === 0) await this.read();
  }

  /**
   * Sets what belongs to this copy; values may be expressions.
   * @throws FencedError when it has been discarded.
   */
  async record(fields: Document): Promise<void> {
    const update = [{ $set: fields }];
    const { matchedCount } = await this.#collection.updateOne(this.#ownCopy(), update);
    if (matchedCount === 0) await this.#checkRound('the copy');
  }

  /**
   * Takes the next epoch of a role; from now on its predecessors' writes find nothing to change.
   * @returns the document with the new epoch, or nothing while the cutover holds the migration.
   * @throws FencedError when the role is that of a copy which has been discarded.
   */
  async takeEpoch(role: Role): Promise<ControlDocument | undefined> {
    const own = role === 'capture' ? this.#own() : this.#ownCopy();
    const taken = await this.#collection.findOneAndUpdate(
      { ...own, holder: { $exists: false } },
      { $inc: { [`${role}.epoch`]: 1 } },
      { returnDocument: 'after' },
    );
    if (!taken) {
      await (role === 'capture' ? this.read() : this.#checkRound(role));
      return undefined;
    }
    if (role === 'replay') await this.fenceBefore(taken.replay.epoch);
    this.#onAdvance?.({ role, increments: {}, document: taken });
    return taken;
  }

  /**
   * Takes the next epoch of the comparison. The first to do so fixes where the comparison of changed
   * documents begins: at what is captured by now. In one statement, so that replay cannot remove
   * changes from there on: whatever it removes without knowing of the comparison was captured before.
   */
  async beginVerification(): Promise<ControlDocument> {
    const begin = { $ifNull: ['$capture.through._data', '$startToken._data'] };
    const taken = await this.#collection.findOneAndUpdate(
      this.#ownCopy(),
      [
        {
          $set: {
            'verify.epoch': { $add: [{ $ifNull: ['$verify.epoch', 0] }, 1] },
            'verify.through': { $ifNull: ['$verify.through', begin] },
          },
        },
      ],
      { returnDocument: 'after' },
    );
    if (taken) return taken;
    return this.#checkRound('verify');
  }

  /**
   * The cutover takes the roles that write to the target; they stand by until it lets go.
   * @param scheduledAt when this attempt of the cutover was scheduled, by Temporal's clock.
   * @returns nothing while a statement that takes something away at the target may be under way.
   * @throws FencedError when a later attempt has held it: that one may have opened the target by now.
   */
  async hold(scheduledAt: Date): Promise<ControlDocument | undefined> {
    const taken = await this.#collection.findOneAndUpdate(
      {
        ...this.#ownCopy(),
        'shape.change': null,
        heldAt: { $not: { $gt: scheduledAt } },
        barredAt: { $not: { $gt: scheduledAt } },
      },
      {
        $set: { holder: 'cutover', heldAt: scheduledAt },
        // Of an attempt of which nobody has heard that it was through.
        $unset: NOT_OPENED,
        $inc: { 'capture.epoch': 1, 'replay.epoch': 1, 'shape.epoch': 1 },
      },
      { returnDocument: 'after' },
    );
    if (taken) {
      await this.fenceBefore(taken.replay.epoch);
      return taken;
    }
    await this.checkHold(scheduledAt);
    return undefined;
  }

  /**
   * Looks whether this attempt of the cutover may still hold, before it ends what a successor has under way.
   * @throws FencedError when a later attempt has held the migration, or has been given up.
   */
  async checkHold(scheduledAt: Date): Promise<void> {
    const { heldAt, barredAt } = await this.#checkRound('cutover');
    for (const at of [heldAt, barredAt]) {
      if (at && at > scheduledAt) throw new FencedError('cutover');
    }
  }

  /**
   * Keeps attempts of the cutover from holding that are earlier than one which is given up: nobody waits for them, and
   * nobody would let go for them.
   */
  async bar(scheduledAt: Date): Promise<void> {
    await this.#collection.updateOne(this.#ownCopy(), { $max: { barredAt: scheduledAt } });
  }

  /**
   * Records the fence of the `hold` that took this epoch: its cutover was through.
   * @throws FencedError when it holds no more; ControlDocumentLost when the run is over.
   */
  async recordFence(epoch: number, fields: Document): Promise<void> {
    const held = { ...this.#ownCopy(), 'replay.epoch': epoch, holder: 'cutover' as const };
    const { matchedCount } = await this.#collection.updateOne(held, [{ $set: fields }]);
    if (matchedCount > 0) return;
    await this.#checkRound('cutover');
    throw new FencedError('cutover');
  }

  /** Ends the `hold` that took this epoch, so that all roles go on: its cutover has not opened the target. */
  async release(epoch: number): Promise<void> {
    const held = { ...this.#own(), 'replay.epoch': epoch };
    await this.#collection.updateOne(held, { $unset: { holder: '', ...NOT_OPENED } });
  }

  /**
   * Records what a role has done.
   * @returns the document after it.
   * @throws FencedError when the role has a newer epoch.
   */
  async advance(
    role: Role,
    epoch: number,
    set: Document,
    increments: Readonly<Record<string, number>> = {},
  ): Promise<ControlDocument> {
    const filter = { ...this.#own(), [`${role}.epoch`]: epoch };
    const fields = prefixed(role, { ...set, at: new Date() });
    // A number that is added twice would be wrong: the driver repeats a single statement but once.
    const document = Object.values(increments).some((by) => by !== 0)
      ? await this.#collection.findOneAndUpdate(
          filter,
          { $set: fields, $inc: prefixed(role, increments) },
          { returnDocument: 'after' },
        )
      : await this.#batch.change({ filter, set: fields });
    if (!document) throw new FencedError(role);
    this.#onAdvance?.({ role, increments, document });
    return document;
  }

  /**
   * Looks at the epoch before a statement that no server ties to it.
   * @throws FencedError when the role has a newer epoch; ControlDocumentLost when the run is over.
   */
  async check(role: Role, epoch: number): Promise<void> {
    if ((await this.read())[role]?.epoch !== epoch) throw new FencedError(role);
  }

  /**
   * First statement of a transaction: ties its writes to the epoch of the replay. It writes, because a
   * mere read would not conflict with a successor that moves the epoch at the same time; and it writes a
   * document of its own, because the control document would keep capture waiting until the commit.
   * @throws FencedError when the replay has a newer epoch.
   */
  async fenceReplay(epoch: number, session: ClientSession): Promise<void> {
    await this.#write('replay', { ...this.#fence(), epoch }, { $inc: { writes: 1 } }, session);
  }

  /**
   * The same for a copy, which may write until its collection has its final name.
   * @throws FencedError when it has, or when the copy has been discarded.
   */
  async fenceCopy(session: ClientSession): Promise<void> {
    const open = { ...this.#ownCopy(), renamed: { $ne: true } };
    await this.#write('copy', open, { $inc: { 'copy.fences': 1 } }, session);
  }

  async #write(what: string, own: Document, update: Document, session: ClientSession) {
    // A transaction has one write concern of its own; statements in it must not have another.
    const { matchedCount } = await this.db
      .collection(CONTROL_COLLECTION)
      .updateOne(own, update, { session });
    if (matchedCount === 0) throw new FencedError(what);
  }

  /** From the return on, no transaction of an earlier epoch of the replay commits. */
  async fenceBefore(epoch: number): Promise<void> {
    const fences = this.db.collection<Document & { _id: Document }>(CONTROL_COLLECTION, {
      writeConcern: { w: 'majority' },
    });
    const update = { $max: { epoch }, $setOnInsert: { runId: this.runId } };
    await fences.updateOne(this.#fence(), update, { upsert: true });
  }

  #fence(): { _id: Document } {
    return { _id: { collection: this.id, fence: 'replay', runId: this.runId } };
  }

  #own(): { _id: string; runId: string } {
    return { _id: this.id, runId: this.runId };
  }

  /** `null` finds the first copy's, which has no number. */
  #ownCopy(): Document & { _id: string } {
    return { ...this.#own(), round: this.round === 0 ? null : this.round };
  }

  /** @throws FencedError when this is no longer the copy; ControlDocumentLost when the run is over. */
  async #checkRound(what: string): Promise<ControlDocument> {
    const found = await this.read();
    if ((found.round ?? 0) !== this.round) throw new FencedError(what);
    return found;
  }

  #lost(): PermanentError {
    return new PermanentError(
      errorTypes.controlLost,
      `the control document "${this.id}" of this migration is no longer in ` +
        `${this.db.databaseName}.${CONTROL_COLLECTION} at the target; the migration cannot go on ` +
        'without it: drop what "left" in its status names, and start it again',
    );
  }
}

function prefixed(role: Role, values: Document): Document {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${role}.${name}`, value]),
  );
}
