import { setTimeout as sleep } from 'node:timers/promises';
import { Application } from './application.js';
import { type Environment, startEnvironment } from './environment.js';
import { follow } from './follow.js';
import { keepText } from './keep.js';
import { inputOf, Migration, pageUrl, startCommand } from './migration.js';
import { moveApplication } from './move.js';
import { type DemoOptions, helpText, OptionError, readOptions } from './options.js';
import { createOrders, DATABASE, loadOrders, takesOddNames } from './orders.js';
import { number } from '../src/cli/format.js';
import { idAfterCutover, prove } from './proof.js';
import { run } from './run.js';
import type { Stage } from './stage.js';
import { isGood, summaryOf } from './summary.js';
import { Writers } from './writers.js';

/** How long one can watch the target follow the source before the cutover. */
const WATCH_MS = 2_000;

/** The whole demo. @returns whether both sides are equal */
async function demo(options: DemoOptions, stage: Stage): Promise<boolean> {
  const startedAt = performance.now();
  stage.chapter('Servers of its own: two replica sets, Temporal, the worker');
  const environment = await startEnvironment(stage.cleanup, (line) => stage.say(line));
  const { source, target, temporal, worker } = environment;
  stage.logTail = () => worker.logTail();
  stage.watch(worker.failed);

  stage.chapter('An application: a collection, and writers that never rest');
  const { onSource, onTarget } = await startApplication(options, stage, environment);

  stage.chapter('The migration, started as anyone starts one');
  const input = inputOf(options.copy);
  stage.say(startCommand(temporal.address, input));
  stage.say('Watch it:');
  stage.say(pageUrl(temporal.uiUrl));
  const migratingAt = performance.now();
  const migration = await Migration.start(temporal.address, input);
  await follow(stage, migration, onSource, ({ phase }) => phase === 'ready');
  const cutoverAt = performance.now() + WATCH_MS;
  const isTime = () => performance.now() > cutoverAt;
  await follow(stage, migration, onSource, ({ mayCutOver }) => mayCutOver && isTime());

  stage.chapter('The cutover: writers stop, update cutover, writers go on on the target');
  const move = await moveApplication(stage, migration, onSource, onTarget);
  stage.say(`  ${number(move.downtimeMs)} ms without a write`);
  const status = await migration.result();
  const migrated = performance.now() - migratingAt;

  stage.chapter('The proof: both sides are read whole and compared');
  const all = status.total.documents;
  const proof = await prove(source.client, target.client, (documents) =>
    stage.display.show([barOf('compare', documents, all)]),
  );
  const seconds = { migration: migrated / 1000, all: (performance.now() - startedAt) / 1000 };
  const outcome = { proof, move, status, writes: onSource.count, seconds };
  summaryOf(outcome).forEach((line) => stage.say(line));

  if (options.keep) await keepUp(stage, environment, isGood(outcome));
  return isGood(outcome);
}

/** Loads the collection, and lets the writers write to it that move to the target later. */
async function startApplication(
  { docs, rate }: DemoOptions,
  stage: Stage,
  { source, target }: Environment,
) {
  const shop = source.client.db(DATABASE);
  const oddNames = await takesOddNames(shop);
  const orders = await createOrders(shop);
  await loadOrders(orders, docs, oddNames, (loaded, doing) =>
    stage.display.show([barOf('load', loaded, docs, doing)]),
  );
  const { length } = await orders.listIndexes().toArray();
  stage.say(`  ${number(docs)} documents of all BSON types, ${length} indexes`);

  const before = { documents: docs, firstNumber: 10 ** 9, oddNames };
  // On the target it works on new documents only, so that the others can be compared afterwards.
  const after = { documents: 0, id: idAfterCutover, firstNumber: 10 ** 12, oddNames };
  const onSource = writersOf(new Application(source.client, before), rate, stage);
  const onTarget = writersOf(new Application(target.client, after), rate, stage);
  onSource.start();
  stage.say(
    `  ${number(rate)} writes per second from now on: inserts, updates, replaces, deletes,`,
  );
  stage.say('  and transactions that move a unique value from one document to another');
  return { onSource, onTarget };
}

function writersOf(application: Application, rate: number, stage: Stage): Writers {
  const writers = new Writers(rate, () => application.write());
  stage.watch(writers.failed);
  return writers;
}

function barOf(name: string, documents: number, total: number, doing = '') {
  const fraction = Math.min(1, documents / total);
  return { name, fraction, note: `${number(documents)} documents${doing}` };
}

async function keepUp(stage: Stage, environment: Environment, good: boolean): Promise<void> {
  stage.isProven = good;
  stage.say('');
  keepText(environment).forEach((line) => stage.say(line));
  for (;;) await sleep(60_000);
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) console.log(helpText);
  else process.exitCode = await run((stage) => demo(options, stage));
} catch (error) {
  if (!(error instanceof OptionError)) throw error;
  console.error(`${error.message}\nnpm run demo -- --help tells all of them.`);
  process.exitCode = 1;
}
// Whatever was interrupted half-way would keep the process alive; a pipe takes its last lines first.
process.stdout.write('', () => process.exit());
