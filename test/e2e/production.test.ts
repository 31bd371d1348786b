import { runInNewContext } from 'node:vm';
import type { Document } from 'mongodb';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.js';
import type { MigrationView } from '../../src/cli/view.js';
import { commandsOf, programsOf, read, sectionOf } from '../helpers/documentation.js';
import { spawnCsm } from './csm.js';
import { Environment } from './environment.js';
import { loadItems, Writers } from './writers.js';

const DOCUMENTS = 2_000;
const PATIENCE = { timeout: 120_000, interval: 300 };

let environment: Environment;
/** Commands of the page that were not run yet. */
const left = new Set(
  commandsOf(read('docs/production.md'))
    .flatMap(programsOf)
    .map((words) => words.join(' '))
    .filter((line) => line.startsWith('csm ')),
);

beforeAll(async () => {
  environment = await Environment.start();
  environment.startWorker({
    MONGODB_URI_NEW: environment.target.uri,
    MONGODB_URI_OLD: environment.source.uri,
  });
  await loadItems(environment.sourceClient, 'orders', DOCUMENTS);
  const isServed = async () => (await csm('doctor', '--no-servers')).exitCode === exitCodes.ok;
  await vi.waitUntil(isServed, PATIENCE);
});

afterAll(async () => {
  await environment?.stop();
});

it('the runbook of docs/production.md can be followed, to the cutover and back', async () => {
  const writers = new Writers(environment.sourceClient, 'orders', DOCUMENTS, 100);
  await run('csm doctor shop.orders');
  await run('csm preflight shop.orders');

  const id = 'rehearsal:shop.orders';
  await watch(
    `csm start shop.orders --id ${id} --target-namespace shop.orders_rehearsal --watch`,
    id,
  );
  await run(`csm cutover ${id} --dry-run`);
  await run(`csm abort ${id} --drop-target`);
  expect(await environment.targetClient.db('shop').listCollections().toArray()).toEqual([]);

  await run('csm start shop.orders');
  await run('csm pause shop.orders');
  await run('csm resume shop.orders');
  await run('csm logs shop.orders');
  await run('csm abort shop.orders --drop-target');
  await csm('start', 'shop.orders');
  await watch('csm status shop.orders --watch', 'shop.orders');
  await run('csm cutover shop.orders --dry-run');
  await run('csm status shop.orders --json');
  await writers.stop();
  await run('csm cutover shop.orders');
  await end('shop.orders');
  await run('csm verify shop.orders');

  const after = new Writers(environment.targetClient, 'orders', DOCUMENTS * 2, 100);
  await run('csm start shop.orders --source new --target old --target-namespace shop.orders_back');
  await watch('csm status shop.orders --source new --watch', 'shop.orders', '--source', 'new');
  await after.stop();
  await run('csm cutover shop.orders --source new');
  await end('shop.orders', '--source', 'new');
  const back = ['--source', 'new', '--target', 'old', '--target-namespace', 'shop.orders_back'];
  expect(await csm('verify', 'shop.orders', ...back)).toMatchObject({ exitCode: exitCodes.ok });
  expect([...left]).toEqual([]);
}, 600_000);

it('the look of docs/cutover.md at the source finds who writes, and not the migration', async () => {
  const [, code = ''] =
    /```js\n([\s\S]*?)```/.exec(sectionOf(read('docs/cutover.md'), "The application's side")) ?? [];
  let pipeline: Document[] = [];
  const aggregate = (stages: Document[]) => (pipeline = structuredClone(stages));
  runInNewContext(code, { db: { getSiblingDB: () => ({ aggregate }) } });
  // Documents of another context are foreign to the driver.
  const stages: Document[] = JSON.parse(JSON.stringify(pipeline));
  const look = () => environment.sourceClient.db('admin').aggregate(stages).toArray();
  expect(await look()).toEqual([]);
  await environment.sourceClient.withSession(async (session) => {
    session.startTransaction();
    const orders = environment.sourceClient.db('shop').collection<{ _id: number }>('orders');
    await orders.updateOne({ _id: 1 }, { $set: { open: true } }, { session });
    expect(await look()).toMatchObject([{ transaction: { parameters: expect.anything() } }]);
    await session.abortTransaction();
  });
});

/** Runs a command of the page, which has to do what it says. */
async function run(line: string): Promise<void> {
  expect(left.delete(line), `docs/production.md has: ${line}`).toBe(true);
  const { exitCode, stderr } = await csm(...line.split(' ').slice(1));
  expect({ line, exitCode, stderr }).toEqual({ line, exitCode: exitCodes.ok, stderr: '' });
}

/** Runs a command of the page that goes on, until the migration may cut over. */
async function watch(line: string, ...name: string[]): Promise<void> {
  expect(left.delete(line), `docs/production.md has: ${line}`).toBe(true);
  const child = spawnCsm(environment, line.split(' ').slice(1));
  let shown = '';
  child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
  await vi.waitUntil(async () => (await statusOf(...name))?.mayCutOver, PATIENCE);
  await vi.waitUntil(() => shown.includes('ready'), PATIENCE);
  child.kill('SIGINT');
  expect((await child).exitCode).toBe(exitCodes.interrupted);
}

async function end(...name: string[]): Promise<void> {
  await vi.waitUntil(async () => (await statusOf(...name))?.phase === 'completed', PATIENCE);
}

async function statusOf(...name: string[]): Promise<MigrationView['status'] | undefined> {
  const { exitCode, stdout } = await csm('status', ...name, '--json');
  if (exitCode !== exitCodes.ok) return undefined;
  const { status } = JSON.parse(stdout) as MigrationView;
  return status;
}

async function csm(...args: string[]) {
  const { exitCode, stdout, stderr } = await spawnCsm(environment, args);
  return { exitCode, stdout, stderr };
}
