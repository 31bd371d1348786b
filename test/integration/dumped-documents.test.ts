import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BSON, type Document } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { insertDumped } from '../../src/activities/dumped-documents.js';
import { controlOf, TestMongo, unfenced } from '../helpers/data-path.js';
import { openedOf } from '../helpers/opened.js';

const NAME = 'devices';
const STAGING = 'cdc-staging.devices';

let mongo: TestMongo;
let folder: string;

beforeAll(async () => {
  mongo = await TestMongo.start('dumped');
  folder = await mkdtemp(join(tmpdir(), 'dumped-'));
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
  if (folder) await rm(folder, { recursive: true, force: true });
});

it('inserts a dump in its order in which a document stands twice, the first time', async () => {
  const target = mongo.client.db('target');
  await target.createCollection(STAGING, { capped: true, size: 65_536 });
  // As mongodump reads one that is deleted and inserted again while it reads.
  const dumped: Document[] = [{ _id: 3 }, { _id: 1 }, { _id: 3, again: true }, { _id: 2 }];
  const file = join(folder, 'partition.bson');
  await writeFile(file, Buffer.concat(dumped.map((document) => BSON.serialize(document))));
  const { documents } = await insertDumped({
    opened: openedOf(mongo.client.db('source'), controlOf(target, NAME), STAGING),
    file,
    gzip: false,
    ordered: true,
    fence: unfenced,
    signal: new AbortController().signal,
    touch: () => undefined,
    onProgress: () => undefined,
    onRefused: async (refused) => expect(refused).toEqual([]),
  });
  expect(documents).toBe(4);
  expect(await target.collection(STAGING).find().toArray()).toEqual([
    { _id: 3 },
    { _id: 1 },
    { _id: 2 },
  ]);
});
