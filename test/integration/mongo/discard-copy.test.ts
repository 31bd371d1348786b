import { type Db, type MongoClient, Timestamp, UUID } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readCatalogue } from '../../../src/mongo/catalogue.js';
import type { Control } from '../../../src/mongo/control.js';
import { CopyPlan } from '../../../src/mongo/copy-plan.js';
import {
  beginRound,
  checkNameIsFree,
  dropCopies,
  removeRounds,
} from '../../../src/mongo/discard-copy.js';
import { Refusals } from '../../../src/mongo/refusals.js';
import { Verification } from '../../../src/mongo/verification.js';
import { CONTROL_COLLECTION, stagingName } from '../../../src/names.js';
import { rawOf } from '../../helpers/bson.js';
import { controlOf, must, TestMongo, unfenced } from '../../helpers/data-path.js';

const NAME = 'orders';

let mongo: TestMongo;
let client: MongoClient;
let db: Db;
let first: Control;
let second: Control;

beforeAll(async () => {
  mongo = await TestMongo.start('discard');
  client = mongo.client;
  db = client.db('target');
});

beforeEach(async () => {
  await db.dropDatabase();
  first = controlOf(db, NAME);
  second = controlOf(db, NAME, 'run-1', 1);
  await first.claim();
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

async function uuidOf(name: string): Promise<UUID> {
  return must((await readCatalogue(db, name))?.uuid);
}

async function names(): Promise<string[]> {
  const found = await db.listCollections({}, { nameOnly: true }).toArray();
  return found.map(({ name }) => name).filter((name) => name !== CONTROL_COLLECTION);
}

/** A copy that has its name, is replayed and compared. */
async function finishFirst(): Promise<void> {
  await db.createCollection(NAME);
  await first.record({ stagingUuid: await uuidOf(NAME) });
  await first.record({ renamed: true, caughtUp: true });
  for (const role of ['capture', 'replay', 'shape'] as const) await first.takeEpoch(role);
  await first.advance('capture', 1, { through: { _data: '8205' } }, { events: 5 });
  await first.beginVerification();
  const time = new Timestamp({ t: 5, i: 1 });
  await first.advance('replay', 1, { through: '8204', time, asOf: new Date() }, { events: 4 });
  await first.advance('shape', 1, { left: [{ what: 'index "a_1"' }], sourceUuid: new UUID() });
}

describe('the next round', () => {
  it('takes over what belongs to the copy, and leaves capture alone', async () => {
    await finishFirst();
    const before = await first.read();
    const begun = must(await beginRound(second, 1));
    expect(begun).toMatchObject({
      round: 1,
      capture: before.capture,
      replay: { epoch: 2, from: '8204', events: 4, rate: 0 },
      verify: { epoch: 2 },
      shape: { epoch: 2, sourceUuid: before.shape?.sourceUuid },
    });
    expect(begun.discarded?.equals(must(before.stagingUuid))).toBe(true);
    const { replay, verify, shape } = begun;
    const gone = [begun.stagingUuid, begun.renamed, begun.caughtUp, begun.refused];
    const inside = [replay.through, replay.time, replay.asOf, verify?.through, shape?.left];
    expect([...gone, ...inside].filter((each) => each !== undefined)).toEqual([]);
  });

  it('begun again only takes the next epoch of the replay, until its copy has its name', async () => {
    await finishFirst();
    const begun = must(await beginRound(second, 1));
    await second.record({ stagingUuid: new UUID() });
    const again = must(await beginRound(second, 1));
    expect(again).toMatchObject({ round: 1, discarded: begun.discarded, replay: { epoch: 3 } });
    expect(again.stagingUuid).toBeDefined();
    await second.record({ renamed: true });
    expect(await beginRound(second, 1)).toBeUndefined();
    expect((await second.read()).replay.epoch).toBe(3);
    // A late attempt of an earlier one changes nothing either.
    await beginRound(controlOf(db, NAME, 'run-1', 2), 2);
    expect(await beginRound(second, 1)).toBeUndefined();
    expect(await second.read()).toMatchObject({ round: 2, replay: { epoch: 4 } });
  });

  it('lets go what an attempt of a cutover holds, whose epoch has passed', async () => {
    const held = must(await first.hold(new Date()));
    const begun = must(await beginRound(second, 1));
    expect(begun.holder).toBeUndefined();
    const late = first.check('replay', held.replay.epoch);
    await expect(late).rejects.toMatchObject({ type: 'Fenced' });
    expect(await first.takeEpoch('capture')).toBeDefined();
  });

  it('does not begin once a cutover has opened the target', async () => {
    await finishFirst();
    await first.record({ fence: new Timestamp({ t: 9, i: 1 }) });
    await expect(beginRound(second, 1)).rejects.toMatchObject({ type: 'PreflightFailed' });
    expect(await first.read()).toMatchObject({ renamed: true, replay: { epoch: 1 } });
  });
});

describe('an attempt that belongs to a discarded copy', () => {
  it('takes nothing and records nothing; capture does', async () => {
    await finishFirst();
    await beginRound(second, 1);
    const before = await second.read();
    const inTransaction = async () => {
      await client.withSession((session) =>
        session.withTransaction(() => first.fenceCopy(session)),
      );
    };
    for (const use of [
      () => first.record({ renamed: true }),
      () => first.takeEpoch('replay'),
      () => first.takeEpoch('shape'),
      () => first.beginVerification(),
      () => first.hold(new Date()),
      () => first.advance('replay', 1, { through: '8209' }),
      inTransaction,
    ]) {
      await expect(use()).rejects.toMatchObject({ type: 'Fenced' });
    }
    expect(await second.read()).toEqual(before);
    await first.advance('capture', 1, { through: { _data: '8206' } });
    expect(must(await first.takeEpoch('capture')).capture.epoch).toBe(2);
  });

  it('has plan, comparison and refused documents of its own', async () => {
    const refusal = { id: rawOf(1), why: 'too new' };
    const difference = { id: rawOf(2), kind: 'extra' as const };
    const write = async (control: Control, partitions: number): Promise<void> => {
      const plan = new CopyPlan(db, control);
      await plan.save(
        Array.from({ length: partitions }, (_, index) => ({ index })),
        unfenced,
      );
      await plan.update(0, { copied: true, written: 10 * partitions });
      const verification = new Verification(db, control);
      await verification.record(0, { documents: partitions, bytes: 1 }, [difference], []);
      await new Refusals(control, async () => undefined).settle([refusal], []);
    };
    const count = async (control: Control): Promise<unknown[]> => {
      const plan = new CopyPlan(db, control);
      const verification = new Verification(db, control);
      const refused: unknown[] = [];
      for await (const ids of new Refusals(control, async () => undefined).all())
        refused.push(...ids);
      const { partitions, written } = await plan.summarise();
      const known = await verification.known();
      const compared = (await verification.partitions()).get(0)?.documents;
      return [partitions, written, await plan.count(), compared, known.length, refused.length];
    };
    await write(first, 2);
    await beginRound(second, 1);
    expect(await count(second)).toEqual([0, 0, 0, undefined, 0, 0]);
    await write(second, 3);
    expect([await count(first), await count(second)]).toEqual([
      [2, 20, 2, 2, 1, 1],
      [3, 30, 3, 3, 1, 1],
    ]);
    await removeRounds(second, 1);
    expect(await count(first)).toEqual([0, 0, 0, undefined, 0, 0]);
    // Also by an attempt that comes late.
    await removeRounds(second, 1);
    expect(await count(second)).toEqual([3, 30, 3, 3, 1, 1]);
  });
});

describe('what a discarded copy has filled', () => {
  it('is dropped, and nothing of the next one, however late the drop comes', async () => {
    await finishFirst();
    await db.createCollection(stagingName(NAME));
    await db.createCollection(stagingName(NAME, 1));
    const begun = must(await beginRound(second, 1));
    await dropCopies(db, NAME, begun);
    expect(await names()).toEqual([stagingName(NAME, 1)]);
    await checkNameIsFree(db, NAME, begun);
    await db.collection(stagingName(NAME, 1)).rename(NAME);
    await second.record({ stagingUuid: await uuidOf(NAME) });
    await dropCopies(db, NAME, begun);
    expect(await names()).toEqual([NAME]);
    await checkNameIsFree(db, NAME, await second.read());
  });

  it('is not what somebody else has put in its place', async () => {
    await finishFirst();
    await db.collection(NAME).drop();
    await db.collection(NAME).insertOne({ restored: true });
    const begun = must(await beginRound(second, 1));
    await dropCopies(db, NAME, begun);
    expect(await names()).toEqual([NAME]);
    const check = checkNameIsFree(db, NAME, begun);
    await expect(check).rejects.toMatchObject({ type: 'PreflightFailed', name: 'TransientError' });
  });
});

it('the replay of a new copy begins where the one before has stopped, once it has its name', async () => {
  await finishFirst();
  await beginRound(second, 1);
  await beginRound(controlOf(db, NAME, 'run-1', 2), 2);
  const third = controlOf(db, NAME, 'run-1', 2);
  expect((await third.read()).replay).toMatchObject({ from: '8204' });
  const through = { $ifNull: ['$replay.through', '$replay.from'] };
  await third.record({ renamed: true, 'replay.through': through });
  expect((await third.read()).replay.through).toBe('8204');
  // Of the first copy there is nothing before.
  const other = controlOf(db, 'others');
  await other.claim();
  await other.record({ renamed: true, 'replay.through': through });
  expect((await other.read()).replay).toEqual({ epoch: 0, events: 0, rate: 0 });
});
