import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { MigrationStatus } from '../../src/workflows/status.js';
import type { GroupStatus } from '../../src/workflows/group/status.js';
import { readCatalogue } from '../../src/mongo/catalogue.js';
import { compareCatalogues } from '../../src/mongo/catalogue-difference.js';
import { obtainBrowser } from '../helpers/browser.js';
import { Environment, untilServing, type WorkerProcess } from './environment.js';
import { UiPage } from './ui-page.js';
import { loadItems, Writers } from './writers.js';

/** Where the screenshots of the documentation go; without it there are none. */
const PICTURES = process.env['UI_SCREENSHOTS'];
/** Ends a test that would wait for ever. */
const PATIENCE_MS = 120_000;
const NO_BROWSER =
  'the UI is not tested, there is no browser: install Chrome or Chromium so that it is on PATH, or set CHROMIUM_BIN';

const SIZES: Readonly<Record<string, number>> = {
  order_lines: 6_000,
  customers: 3_000,
  products: 2_000,
  carts: 1_000,
  stock: 500,
  reviews: 400,
  shipments: 300,
  returns: 200,
  prices: 100,
  coupons: 50,
  stores: 10,
  settings: 1,
};
const NAMES = Object.keys(SIZES);

let browser: string | undefined;
let environment: Environment;
let worker: WorkerProcess;

beforeAll(async () => {
  browser = await obtainBrowser(({ what, message }) =>
    process.stderr.write(`${what}: ${message}\n`),
  );
  if (browser === undefined) {
    // What is skipped is told without its reason.
    process.stderr.write(`${NO_BROWSER}\n`);
    return;
  }
  environment = await Environment.start({ temporal: { ui: true } });
  worker = environment.startWorker();
  // The form says whether it sees one, and does not look again.
  await untilServing(worker);
});

afterAll(async () => {
  await worker?.kill('SIGTERM');
  await environment?.stop();
});

/** Does something in the UI. When that fails, the error says where what the browser showed is kept. */
async function inUi(work: (ui: UiPage) => Promise<void>): Promise<void> {
  const ui = await UiPage.open(browser ?? '', environment.temporal.uiUrl ?? '');
  try {
    await work(ui);
  } catch (error) {
    if (error instanceof Error) {
      error.message += `\nWhat the browser showed then is in ${await ui.save()}`;
    }
    throw error;
  } finally {
    await ui.close();
  }
}

async function picture(ui: UiPage, name: string, height?: number): Promise<void> {
  if (PICTURES) await ui.picture(join(PICTURES, `${name}.png`), height);
}

/** Sends the cutover, and again while it is refused: on a busy machine the comparison may be behind. */
async function cutOver(ui: UiPage): Promise<void> {
  const isTaken = async () => {
    await ui.untilDetails(/cut over\? Yes/);
    await ui.fillUpdate('cutover', {});
    await picture(ui, 'ui-cutover');
    const refusal = await ui.sendUpdate();
    if (refusal === undefined) return true;
    expect(refusal).toMatch(/the cutover is refused/);
    await ui.cancelUpdate();
    return false;
  };
  await vi.waitUntil(isTaken, { timeout: PATIENCE_MS });
}

async function expectEqual(name: string): Promise<void> {
  const [source, target] = await environment.hashes(name);
  expect(target, name).toBe(source);
  const [from, to] = await Promise.all(
    [environment.sourceClient, environment.targetClient].map((client) =>
      readCatalogue(client.db('shop'), name),
    ),
  );
  expect(from && to && compareCatalogues(from, to)).toEqual([]);
}

async function moveTwelve(ui: UiPage): Promise<void> {
  for (const name of NAMES) await loadItems(environment.sourceClient, name, SIZES[name] ?? 0);
  const writers = NAMES.slice(0, 3).map(
    (name) => new Writers(environment.sourceClient, name, SIZES[name] ?? 0, 20),
  );
  await ui.fillStart({
    workflowId: 'migrate:source:shop.*',
    workflowType: 'migrateCollections',
    input: {
      source: 'source',
      target: 'target',
      namespaces: ['shop.*'],
      copy: 'direct',
      parallelCopies: 6,
    },
  });
  await ui.start();
  const ready = await ui.untilDetails(/May they cut over\? Yes/);
  expect(ready).toMatch(/^ready\s+12$/m);
  await picture(ui, 'ui-group', 1_330);

  await ui.fillUpdate('cutover', { leave: ['shop.nothing'] });
  expect(await ui.sendUpdate()).toMatch(
    /^Invalid payload of cutover: "shop\.nothing" .*is no collection of this migration$/,
  );
  await ui.cancelUpdate();

  await Promise.all(writers.map((each) => each.stop()));
  await cutOver(ui);
  await ui.untilDetails(/^completed\s+12$/m);
  await ui.untilText(/^completed$/im);

  const group = environment.client.workflow.getHandle('migrate:source:shop.*');
  const { cutover } = (await group.result()) as GroupStatus;
  expect(cutover).toMatchObject({ collections: 12 });
  for (const name of NAMES) {
    const one = environment.client.workflow.getHandle(`migrate:source:shop.${name}`);
    const status = (await one.result()) as MigrationStatus;
    expect(status.cutover, name).toMatchObject({ fence: cutover?.fence });
    await expectEqual(name);
  }
  expect(await environment.leftovers()).toEqual([]);

  await ui.follow('shop.carts');
  await ui.untilText(/^migrate:source:shop\.carts$/m);
  await ui.untilDetails(/Open for applications since/);
}

async function moveOne(ui: UiPage): Promise<void> {
  await loadItems(environment.sourceClient, 'orders', 20_000);
  const writers = new Writers(environment.sourceClient, 'orders', 20_000, 100);
  const start = {
    workflowId: 'migrate:source:shop.orders',
    workflowType: 'migrateCollection',
    input: { source: 'source', target: 'target', namespace: 'shop.orders' },
  };
  await ui.fillStart(start);
  await picture(ui, 'ui-start', 1_010);
  await ui.start();
  await ui.untilDetails(/May it cut over\? Yes/);
  await picture(ui, 'ui', 1_160);
  await ui.openTab('pending-activities');
  const running = await ui.untilText(/"changesPerSecond"/);
  expect(running).toContain('"eventsPerSecond"');
  await picture(ui, 'ui-activities', 1_080);

  await writers.stop();
  await cutOver(ui);
  const details = await ui.untilDetails(/^completed$/m);
  expect(details).toContain('Open for applications since');
  await ui.untilText(/^completed$/im);

  await expectEqual('orders');
  expect(writers.done).toBeGreaterThan(0);
  expect(await environment.leftovers()).toEqual([]);
}

it.for([
  ['twelve collections at one fence', moveTwelve],
  ['a collection', moveOne],
] as const)('moves %s, by forms alone', async ([, move], { skip }) => {
  skip(browser === undefined, NO_BROWSER);
  await inUi(move);
});
