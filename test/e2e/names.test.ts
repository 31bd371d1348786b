import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApplicationFailure } from '@temporalio/common';
import { Environment } from './environment.js';

interface Item {
  readonly _id: number;
  readonly text: string;
}

const DOCUMENTS = 50;
/** What a name that reached a shell would make. */
const MADE = 'made-by-a-name';

let environment: Environment;

beforeAll(async () => {
  environment = await Environment.start();
  environment.startWorker({ CSM_DUMP_FOLDER: join(environment.folder, 'dumps') });
});

afterAll(async () => {
  await environment?.stop();
});

// All at once: each takes its time, and little else.
describe.concurrent('a name is nothing but a name', () => {
  it.each([
    'shop.--eval',
    'shop.--out=x',
    '--drop.--config=x',
    'shop.../x',
    'shop.a/../../x',
    'shop.two\nlines --drop',
    'shop.a\r\n\ttab',
    `shop."quoted"`,
    `shop."`,
    `shop.it's`,
    'shop.`touch made-by-a-name`',
    'shop.;touch made-by-a-name;',
    "it's;touch>made-by-a-name.items",
    'shop.*',
    'shop. ',
    'shop.-',
    'shop.\u001b[2J',
    'shop.ünï😀',
  ])('%j arrives, or is refused before anything is written', async (namespace) => {
    const dot = namespace.indexOf('.');
    const [db, name] = [namespace.slice(0, dot), namespace.slice(dot + 1)];
    const from = environment.sourceClient.db(db).collection<Item>(name);
    const isTaken = await from
      .insertMany(Array.from({ length: DOCUMENTS }, (_, _id) => ({ _id, text: `text ${_id}` })))
      .then(() => true)
      .catch(() => false);
    const handle = await environment.migrate(name, { namespace, cutover: 'auto' });
    const outcome: unknown = await handle.result().catch((error: unknown) => error);

    const to = environment.targetClient.db(db);
    if (isTaken) {
      expect(outcome).toMatchObject({ phase: 'completed' });
      expect(await to.collection<Item>(name).find().sort({ _id: 1 }).toArray()).toEqual(
        await from.find().sort({ _id: 1 }).toArray(),
      );
    } else {
      expect(refusalOf(outcome)).toMatch(/InvalidInput|PreflightFailed/);
      expect(await to.listCollections({ name }).toArray()).toEqual([]);
    }
  });
});

it.each([
  'shop.$(touch made-by-a-name)',
  'shop.nul\0inside',
  '$(touch made-by-a-name).items',
  'a/b.items',
  '../x',
  'shop',
  '.items',
  `shop.${'x'.repeat(260)}`,
])('%j is refused with the reason', async (namespace) => {
  const handle = await environment.migrate(namespace, { namespace });
  const outcome: unknown = await handle.result().catch((error: unknown) => error);
  expect(refusalOf(outcome)).toMatch(/InvalidInput|PreflightFailed/);
});

it('none of them has left anything or started a program', async () => {
  expect(existsSync(MADE)).toBe(false);
  expect(await environment.leftovers()).toEqual([]);
});

/** Type and message of what a migration was refused with. */
function refusalOf(outcome: unknown): string {
  if (!(outcome instanceof WorkflowFailedError)) return `not refused: ${JSON.stringify(outcome)}`;
  const { cause } = outcome;
  return cause instanceof ApplicationFailure ? `${cause.type}: ${cause.message}` : String(cause);
}
