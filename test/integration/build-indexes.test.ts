import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildIndexes } from '../../src/activities/finish-copy.js';
import type { Migration } from '../../src/migration.js';
import { stagingName } from '../../src/names.js';
import { runActivity } from '../helpers/activity-run.js';
import { TestMongo } from '../helpers/data-path.js';
import { traits } from '../helpers/fake-activities.js';
import { claimFor, identity } from '../helpers/migration.js';

const NAME = 'orders';
const migration: Migration = {
  ...identity,
  traits,
  options: { ...identity.options, namespace: `from.${NAME}`, targetNamespace: `to.${NAME}` },
};

let mongo: TestMongo;

beforeAll(async () => {
  mongo = await TestMongo.start('build');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

// Only the replay would mend the copy, and it comes after this step.
it('leaves out an index that cannot have a document which the source has mended since', async () => {
  const [from, to] = [mongo.client.db('from'), mongo.client.db('to')];
  await from.collection(NAME).createIndexes([
    { key: { a: 1, b: 1 }, name: 'parallel' },
    { key: { c: 1 }, name: 'c' },
  ]);
  const staging = stagingName(NAME, 0, migration.traits.stagingTag);
  await to.collection(staging).insertOne({ a: [1, 2], b: [1, 2] });
  await claimFor(to, migration);
  await runActivity(mongo.server.uri, (deps) => buildIndexes(deps, migration));
  const names = (await to.collection(staging).indexes()).map(({ name }) => name);
  expect(names).toEqual(['_id_', 'c']);
});
