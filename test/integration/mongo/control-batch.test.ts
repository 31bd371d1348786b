import type { CommandStartedEvent, Db } from 'mongodb';
import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { CONTROL_COLLECTION } from '../../../src/names.js';
import { controlOf, TestMongo } from '../../helpers/data-path.js';

const NAMES = Array.from({ length: 120 }, (_, index) => `orders${index}`);

let mongo: TestMongo;
let client: MongoClient;
let db: Db;
let commands: string[] = [];

beforeAll(async () => {
  mongo = await TestMongo.start('control-batch');
  client = new MongoClient(mongo.server.uri, { monitorCommands: true });
  db = client.db('target');
  client.on('commandStarted', ({ commandName }: CommandStartedEvent) => commands.push(commandName));
});

beforeEach(async () => {
  await db.dropDatabase();
  await Promise.all(NAMES.map((name) => controlOf(db, name).claim()));
  await Promise.all(NAMES.map((name) => controlOf(db, name).takeEpoch('capture')));
  commands = [];
});

afterAll(async () => {
  await client?.close();
  await mongo?.[Symbol.asyncDispose]();
});

it('reads those of many migrations by few commands, each that of its run', async () => {
  const reads = NAMES.map((name) => controlOf(db, name).read());
  const gone = [controlOf(db, 'orders0', 'run-2'), controlOf(db, 'other')].map((each) =>
    each.find(),
  );
  expect((await Promise.all(reads)).map(({ _id }) => _id)).toEqual(NAMES);
  expect(await Promise.all(gone)).toEqual([undefined, undefined]);
  expect(commands).toEqual(['find', 'find']);
});

it('moves positions of many by few commands, and tells each its own document', async () => {
  const moved = NAMES.map((name, index) =>
    controlOf(db, name).advance('capture', 1, { rate: index }, { events: 0 }),
  );
  const documents = await Promise.all(moved);
  expect(documents.map(({ _id, capture }) => [_id, capture.rate])).toEqual(
    NAMES.map((name, index) => [name, index]),
  );
  expect(commands.toSorted()).toEqual(['find', 'find', 'update', 'update']);
});

it('takes several fields of one, each of which is told what all have become', async () => {
  const control = controlOf(db, 'orders0');
  const [rate, hours] = await Promise.all([
    control.advance('capture', 1, { rate: 7 }),
    control.advance('capture', 1, { oplogHours: 9 }),
  ]);
  expect(rate.capture).toMatchObject({ rate: 7, oplogHours: 9 });
  expect(hours.capture).toMatchObject({ rate: 7, oplogHours: 9 });
});

it('fences the one that has a successor, and no other', async () => {
  await controlOf(db, 'orders1').takeEpoch('capture');
  const moved = await Promise.allSettled([
    ...['orders0', 'orders1', 'orders2'].map((name) =>
      controlOf(db, name).advance('capture', 1, { rate: 5 }),
    ),
    controlOf(db, 'orders3', 'run-2').advance('capture', 1, { rate: 5 }),
  ]);
  expect(moved.map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'rejected',
  ]);
  for (const each of [moved[1], moved[3]])
    expect(each).toMatchObject({ reason: { type: 'Fenced' } });
  const rates = await db.collection(CONTROL_COLLECTION).distinct('_id', { 'capture.rate': 5 });
  expect(rates).toEqual(['orders0', 'orders2']);
});

it('leaves a refused change with the one whose it is', async () => {
  const [large, small] = [controlOf(db, 'orders1'), controlOf(db, 'orders2')];
  await large.advance('capture', 1, { first: 'x'.repeat(15 * 1024 * 1024) });
  const [refused, taken] = await Promise.allSettled([
    large.advance('capture', 1, { second: 'x'.repeat(2 * 1024 * 1024) }),
    small.advance('capture', 1, { rate: 6 }),
  ]);
  expect(refused).toMatchObject({ reason: { codeName: 'BSONObjectTooLarge' } });
  expect(taken).toMatchObject({ value: { capture: { rate: 6 } } });
  expect((await small.read()).capture.rate).toBe(6);
});

it('counts changes one by one, so that none is counted twice', async () => {
  const documents = await Promise.all(
    NAMES.slice(0, 5).map((name) => controlOf(db, name).advance('capture', 1, {}, { events: 3 })),
  );
  expect(documents.map(({ capture }) => capture.events)).toEqual([3, 3, 3, 3, 3]);
  expect(commands).toEqual(Array(5).fill('findAndModify'));
});
