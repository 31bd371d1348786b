import { type ClientSession, type Db, type Document, type MongoClient, Timestamp } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { removeControl } from '../../../src/mongo/control-collection.js';
import { CopyPlan } from '../../../src/mongo/copy-plan.js';
import { Verification } from '../../../src/mongo/verification.js';
import { CONTROL_COLLECTION } from '../../../src/names.js';
import { everyId, rawOf, unreadableIds } from '../../helpers/bson.js';
import { controlOf, must, TestMongo, unfenced } from '../../helpers/data-path.js';
import { takenAs } from '../../helpers/taken-as.js';

let mongo: TestMongo;
let client: MongoClient;
let db: Db;

beforeAll(async () => {
  mongo = await TestMongo.start('control');
  client = mongo.client;
  db = client.db('target');
});

beforeEach(async () => {
  await db.dropDatabase();
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

async function documents(): Promise<Document[]> {
  return db.collection(CONTROL_COLLECTION).find().toArray();
}

describe('a claim', () => {
  it('creates the control document, and a second one of the same run changes nothing', async () => {
    const control = controlOf(db, 'orders');
    const claimed = await control.claim();
    expect(claimed).toMatchObject({ _id: 'orders', runId: 'run-1', source: 'source' });
    await control.set({ renamed: true });
    expect(await control.claim()).toMatchObject({ renamed: true, startedAt: claimed.startedAt });
    expect(await documents()).toHaveLength(1);
  });

  it('is refused when another run has the target', async () => {
    await controlOf(db, 'orders', 'run-1').claim();
    const second = controlOf(db, 'orders', 'run-2').claim();
    await expect(second).rejects.toMatchObject({ type: 'MigrationExists' });
    await expect(second).rejects.toThrow('target.orders');
    expect(await documents()).toMatchObject([{ runId: 'run-1' }]);
  });

  it('of two runs at once is given to exactly one', async () => {
    for (let round = 0; round < 10; round++) {
      const name = `orders${round}`;
      const claims = await Promise.allSettled(
        ['run-1', 'run-2', 'run-3'].map((runId) => controlOf(db, name, runId).claim()),
      );
      expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    }
  });

  it('is there to stay, although the last user of cdc drops it at the same moment', async () => {
    for (let round = 0; round < 20; round++) {
      const leaving = controlOf(db, 'leaving', `run-${round}`);
      await leaving.claim();
      const coming = controlOf(db, 'coming', `run-${round}`);
      const [claimed] = await Promise.all([
        coming.claim(),
        removeControl(db, 'leaving', `run-${round}`),
      ]);
      expect(claimed.runId).toBe(`run-${round}`);
      expect(await documents()).toMatchObject([{ _id: 'coming' }]);
      await removeControl(db, 'coming', `run-${round}`);
      expect(await db.listCollections({ name: CONTROL_COLLECTION }).toArray()).toEqual([]);
    }
  });

  it('of many at once leaves no cdc behind when all have gone', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (let round = 0; round < 10; round++) {
      await Promise.all(names.map((name) => controlOf(db, name).claim()));
      await Promise.all(names.map((name) => remove(name)));
      expect(await documents()).toEqual([]);
      expect(await db.listCollections({ name: CONTROL_COLLECTION }).toArray()).toEqual([]);
    }
  });

  it('waits no longer than it must for a clean-up that has died half-way', async () => {
    const dead = { _id: takenAs<string>({ closing: true }), at: new Date(0) };
    await db.collection<Document & { _id: string }>(CONTROL_COLLECTION).insertOne(dead);
    await controlOf(db, 'orders').claim();
    expect(await documents()).toMatchObject([{ _id: 'orders' }]);
  });
});

/** Removes as an activity does, which is tried again when a drop beside it ends its commands. */
async function remove(name: string): Promise<void> {
  await removeControl(db, name, 'run-1').catch(() => remove(name));
}

describe('the control document', () => {
  it('that is gone or another run’s is told as lost', async () => {
    const control = controlOf(db, 'orders');
    for (const use of [
      () => control.read(),
      () => control.set({ renamed: true }),
      () => control.takeEpoch('capture'),
      () => control.hold(new Date()),
    ]) {
      await expect(use()).rejects.toMatchObject({ type: 'ControlDocumentLost' });
    }
    expect(await control.find()).toBeUndefined();
    await controlOf(db, 'orders', 'run-2').claim();
    await expect(control.read()).rejects.toMatchObject({ type: 'ControlDocumentLost' });
    expect(await documents()).toHaveLength(1);
  });

  it('gives each attempt the next epoch of its role', async () => {
    const control = controlOf(db, 'orders');
    await control.claim();
    const epochs = await Promise.all(
      Array.from({ length: 5 }, async () => must(await control.takeEpoch('capture')).capture.epoch),
    );
    expect(new Set(epochs)).toEqual(new Set([1, 2, 3, 4, 5]));
    expect((await control.read()).replay.epoch).toBe(0);
  });

  it('is held by no attempt of a cutover that was scheduled before the last one that has held it', async () => {
    const control = controlOf(db, 'orders');
    await control.claim();
    const [first, second] = [new Date(1_000), new Date(2_000)];
    const { replay } = must(await control.hold(second));
    await expect(control.hold(first)).rejects.toMatchObject({ type: 'Fenced' });
    await expect(control.checkHold(first)).rejects.toMatchObject({ type: 'Fenced' });
    await control.checkHold(second);
    expect((await control.read()).replay.epoch).toBe(replay.epoch);
    must(await control.hold(second));
    // Also once it has let go, and when it has opened the target.
    await control.release(replay.epoch + 1);
    await control.record({ fence: new Timestamp({ t: 9, i: 1 }) });
    await expect(control.hold(first)).rejects.toMatchObject({ type: 'Fenced' });
    expect((await control.read()).holder).toBeUndefined();
    // What nobody has heard of is not: the next attempt may be refused.
    const held = must(await control.hold(new Date(3_000)));
    expect(held.fence).toBeUndefined();
  });

  it('is held by no attempt of a cutover before one that was given up', async () => {
    const control = controlOf(db, 'orders');
    await control.claim();
    const [first, second, third] = [new Date(1_000), new Date(2_000), new Date(3_000)];
    await control.bar(second);
    await control.bar(first);
    await expect(control.checkHold(first)).rejects.toMatchObject({ type: 'Fenced' });
    await expect(control.hold(first)).rejects.toMatchObject({ type: 'Fenced' });
    expect((await control.read()).holder).toBeUndefined();
    must(await control.hold(second));
    must(await control.hold(third));
  });

  it('held by the cutover, gives no epochs to others until it is released', async () => {
    const control = controlOf(db, 'orders');
    await control.claim();
    const { capture } = must(await control.takeEpoch('capture'));
    const held = must(await control.hold(new Date()));
    expect([held.capture.epoch, held.replay.epoch]).toEqual([2, 1]);
    expect(await control.takeEpoch('capture')).toBeUndefined();
    expect(await control.takeEpoch('replay')).toBeUndefined();
    const late = control.advance('capture', capture.epoch, { events: 1 });
    await expect(late).rejects.toMatchObject({ type: 'Fenced' });
    await control.advance('capture', held.capture.epoch, {}, { events: 2 });
    await control.release(held.replay.epoch);
    const next = must(await control.takeEpoch('capture'));
    expect([next.capture.epoch, next.capture.events, next.holder]).toEqual([3, 2, undefined]);
  });

  it('ties a transaction to the epoch, also when that moves meanwhile', async () => {
    const control = controlOf(db, 'orders');
    await control.claim();
    await db.createCollection('orders');
    const { replay } = must(await control.takeEpoch('replay'));
    await using session = client.startSession();
    session.startTransaction();
    await control.fenceReplay(replay.epoch, session);
    await db.collection('orders').insertOne({}, { session });
    const moving = control.takeEpoch('replay');
    await session.commitTransaction();
    expect(must(await moving).replay.epoch).toBe(replay.epoch + 1);
    session.startTransaction();
    await expect(control.fenceReplay(replay.epoch, session)).rejects.toMatchObject({
      type: 'Fenced',
    });
    await session.abortTransaction();
  });
});

describe('the position from which capture starts', () => {
  it('stays where the first attempt has fixed it, whatever a late one says', async () => {
    const control = controlOf(db, 'orders');
    await control.claim();
    const first = { _data: '82AA' };
    expect(await control.fixStart(first)).toEqual(first);
    expect(await control.fixStart({ _data: '82BB' })).toEqual(first);
    expect((await control.read()).startToken).toEqual(first);
  });
});

describe('what else is kept in cdc', () => {
  it('a plan is saved once and counts what is copied', async () => {
    const plan = new CopyPlan(db, controlOf(db, 'orders'));
    expect(await plan.count()).toBe(0);
    expect(
      await plan.save(
        [
          { index: 0, max: '5' },
          { index: 1, min: '5' },
        ],
        unfenced,
      ),
    ).toBe(2);
    expect(await plan.save([{ index: 0 }], unfenced)).toBe(2);
    await plan.update(1, { copied: true, read: 10, readBytes: 100, written: 9 });
    expect(await plan.get(0)).toMatchObject({ index: 0, max: '5', copied: false });
    expect(await plan.get(1)).toMatchObject({ index: 1, min: '5', copied: true });
    expect(await plan.summarise()).toMatchObject({
      partitions: 2,
      copiedPartitions: 1,
      read: 10,
      readBytes: 100,
      written: 9,
    });
    await expect(plan.get(2)).rejects.toThrow('partition 2');
    // Another collection's, and another run's, are none of its business.
    expect(await new CopyPlan(db, controlOf(db, 'order')).count()).toBe(0);
    expect(await new CopyPlan(db, controlOf(db, 'orders', 'run-2')).count()).toBe(0);
  });

  it('differences come back with the exact bytes of their _ids', async () => {
    const verification = new Verification(db, controlOf(db, 'orders'));
    // The last ones no driver can read.
    const ids = [...Object.values(everyId).map(rawOf), ...unreadableIds];
    const differences = ids.map((id) => ({ id, kind: 'missing' as const }));
    await verification.record(0, { documents: 5, bytes: 50 }, differences, []);
    await verification.record(3, { documents: 7, bytes: 70 }, [], []);
    expect(await verification.partitions()).toEqual(
      new Map([
        [0, { documents: 5, bytes: 50 }],
        [3, { documents: 7, bytes: 70 }],
      ]),
    );
    const { differences: open, sets } = must((await verification.open()).get(0));
    expect(open.map(({ id }) => id.key)).toEqual(ids.map(({ key }) => key));
    expect(open.every(({ kind }) => kind === 'missing')).toBe(true);
    await verification.replaceOpen(0, [{ id: rawOf(1), kind: 'extra' }], sets);
    expect(await verification.known()).toMatchObject([{ kind: 'extra' }]);
    const many = Array.from({ length: 2500 }, (_, id) => ({
      id: rawOf(id),
      kind: 'differs' as const,
    }));
    const { sets: old } = must((await verification.open()).get(0));
    await verification.replaceOpen(0, many, old);
    expect((await verification.known()).map(({ id }) => id.key)).toEqual(
      many.map(({ id }) => id.key),
    );
  });

  it('a plan is of one attempt, also where two save theirs at once', async () => {
    const control = controlOf(db, 'orders');
    await control.claim();
    await new CopyPlan(db, controlOf(db, 'orders', 'run-0')).save(
      Array.from({ length: 9 }, (_, index) => ({ index, min: 'former' })),
      unfenced,
    );
    const plans = ['a', 'b'].map((min) =>
      Array.from({ length: min === 'a' ? 5 : 7 }, (_, index) => ({ index, min })),
    );
    const fence = (session: ClientSession) => control.fenceCopy(session);
    const saved = await Promise.all(
      plans.map((plan) => new CopyPlan(db, control).save(plan, fence)),
    );
    const [count = 0] = saved;
    expect(saved).toEqual([count, count]);
    const plan = new CopyPlan(db, control);
    const records = await Promise.all(Array.from({ length: count }, (_, index) => plan.get(index)));
    expect(records.map(({ index, min }) => ({ index, min }))).toEqual(
      plans.find(({ length }) => length === count),
    );
    expect(await plan.summarise()).toMatchObject({ partitions: count });
    await expect(plan.get(count)).rejects.toThrow(`partition ${count} is not in the plan`);
  });

  it('a plan of a run that is over is not saved', async () => {
    await controlOf(db, 'orders', 'run-2').claim();
    const late = controlOf(db, 'orders', 'run-1');
    const saving = new CopyPlan(db, late).save([{ index: 0 }], (session) =>
      late.fenceCopy(session),
    );
    await expect(saving).rejects.toMatchObject({ type: 'Fenced' });
  });

  it('a plan stays when the collection has its final name, as after a reset', async () => {
    const control = controlOf(db, 'orders');
    await control.claim();
    const plan = new CopyPlan(db, control);
    const fence = (session: ClientSession) => control.fenceCopy(session);
    expect(await plan.save([{ index: 0 }, { index: 1 }], fence)).toBe(2);
    await control.record({ renamed: true });
    expect(await plan.save([{ index: 0 }], fence)).toBe(2);
  });

  it('goes with the run, and only with its own', async () => {
    const own = new Verification(db, controlOf(db, 'orders'));
    await controlOf(db, 'orders').claim();
    await own.record(0, { documents: 1, bytes: 1 }, [{ id: rawOf(1), kind: 'extra' }], []);
    await new CopyPlan(db, controlOf(db, 'orders')).save([{ index: 0 }], unfenced);
    await controlOf(db, 'others', 'run-2').claim();
    await removeControl(db, 'orders', 'run-1');
    expect(await documents()).toMatchObject([{ _id: 'others' }]);
  });
});
