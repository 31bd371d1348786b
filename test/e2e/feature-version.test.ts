import { WorkflowFailedError } from '@temporalio/client';
import type { Db, Document } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { isAtLeast } from '../../src/mongo/final-plan.js';
import { Environment } from './environment.js';
import { loadItems, Writers } from './writers.js';

/** A target that runs as 5.0, by its featureCompatibilityVersion or because it is one, from a newer source. */
let environment: Environment;
let source: Db;
let target: Db;
let isTold = false;

beforeAll(async () => {
  const root = { user: 'root', password: 'secret' };
  environment = await Environment.start({ target: { auth: root } });
  source = environment.sourceClient.db('shop');
  target = environment.targetClient.db('shop');
  const [from, to] = await environment.versions();
  isTold = isAtLeast(from, 6, 0);
  if (isAtLeast(to, 6, 0)) {
    const command = { setFeatureCompatibilityVersion: '5.0' };
    await environment.targetClient.db('admin').command(command);
  }
  await target.command({ createUser: 'writer', pwd: 'x', roles: ['readWrite', 'dbAdmin'] });
  environment.startWorker({
    // It may not read the featureCompatibilityVersion.
    MONGODB_URI_WRITER: environment.target.uri
      .replace('root:secret@', 'writer:x@')
      .replace(/authSource=\w+/, 'authSource=shop'),
  });
});

afterAll(async () => {
  await environment.stop();
});

beforeEach(({ skip }) => {
  if (!isTold) skip();
});

async function failureOf(name: string, input: Record<string, unknown>): Promise<string> {
  const handle = await environment.migrate(name, input);
  const error = await handle.result().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(WorkflowFailedError);
  expect(await environment.leftovers()).toEqual([]);
  expect(await target.listCollections({ name }).toArray()).toEqual([]);
  const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
  return cause?.message ?? '';
}

async function optionsOf(name: string): Promise<Document | undefined> {
  const [found] = await target.listCollections({ name }).toArray();
  return found && 'options' in found ? found.options : undefined;
}

it.each(['dump', 'direct'] as const)('is migrated to, copy %s', async (copy) => {
  const name = `items.${copy}`;
  await loadItems(environment.sourceClient, name, 2000);
  await source.collection(name).createIndex({ expires: 1 }, { expireAfterSeconds: 3600 });
  const writers = new Writers(environment.sourceClient, name, 2000, 200);
  const handle = await environment.migrate(name, { copy });
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  expect(await optionsOf(`cdc.${name}`)).toEqual({});
  await writers.stop();
  const status = await environment.cutOver(handle);
  expect(status.verification.catalogue?.differences).toEqual([]);
  const [here, there] = await environment.hashes(name);
  expect(there).toBe(here);
});

it.each([
  ['target', /preImages|pre-images/],
  ['writer', /changeStreamPreAndPostImages/],
])('migrates without pre-images what has them, as the user of "%s"', async (alias, warning) => {
  const name = `imaged.${alias}`;
  await source.createCollection(name, { changeStreamPreAndPostImages: { enabled: true } });
  await loadItems(environment.sourceClient, name, 500);
  const handle = await environment.migrate(name, { copy: 'direct', target: alias });
  const status = await environment.cutOver(handle);
  expect(status.warnings.join()).toMatch(warning);
  expect(await optionsOf(name)).toEqual({});
  const [here, there] = await environment.hashes(name);
  expect(there).toBe(here);
});

it.each([
  ['target', /clustered collection/],
  ['writer', /cluster.*featureCompatibilityVersion/s],
])(
  'refuses a clustered collection before it is copied, as the user of "%s"',
  async (alias, message) => {
    const name = `clustered.${alias}`;
    await source.createCollection(name, { clusteredIndex: { key: { _id: 1 }, unique: true } });
    expect(await failureOf(name, { copy: 'direct', target: alias })).toMatch(message);
  },
);

it('names all indexes and options that it does not take, before anything is copied', async () => {
  const name = 'shaped';
  const shaped = await source.createCollection(name, {
    validator: { $expr: { $eq: [{ $sortArray: { input: '$tags', sortBy: 1 } }, '$tags'] } },
  });
  const nested = { $and: [{ a: 1 }, { $and: [{ b: 1 }, { c: 1 }] }] };
  await shaped.createIndexes([
    { key: { plain: 1 }, name: 'plain', unique: true },
    { key: { a: 1 }, name: 'some', partialFilterExpression: { a: { $in: [1, 2] } }, unique: true },
    { key: { b: 1 }, name: 'either', partialFilterExpression: { $or: [{ a: 1 }, { b: 1 }] } },
    { key: { c: 1 }, name: 'nested', partialFilterExpression: nested },
  ]);
  const known = await failureOf(name, { copy: 'direct' });
  for (const what of ['index "some" is a partial one', 'index "either" is a partial one']) {
    expect(known).toContain(what);
  }
  await shaped.dropIndex('some');
  await shaped.dropIndex('either');
  // What no list knows is tried.
  const tried = await failureOf(name, { copy: 'direct' });
  for (const what of ['index "nested": ', 'option "validator": ']) expect(tried).toContain(what);
  expect(tried).not.toContain('plain');
  expect(tried).toContain('$sortArray');
});
