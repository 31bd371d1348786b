import { type Command, Option } from 'commander';
import { forcible } from '../../blockers.js';
import { readNames, readNumber } from '../arguments.js';
import { CliError } from '../cli-error.js';
import type { CutoverOptions } from '../commands/cutover.js';
import type { AbortOptions, MessageOptions } from '../commands/messages.js';
import type { StartOptions } from '../commands/start.js';
import type { SyncOptions } from '../commands/sync.js';
import type { TuneOptions } from '../commands/tune.js';
import { addGroupOptions, addMigrationOptions, addTuneOptions } from '../migration-options.js';
import { nearest } from '../../nearest.js';
import { addCommonOptions, addExamples, addSides, addSource, GROUP, MIGRATION } from './common.js';

// Commands are loaded when they run: Temporal's client takes longer than --help and completions may.
const starting = () => import('../commands/start.js');
const messages = () => import('../commands/messages.js');

/** Defines the commands that start migrations and change what they do. */
export function defineActing(program: Command): void {
  defineScripts(program);
  defineStart(program);
  defineMessages(program);
  defineCutover(program);
  defineTune(program);
  defineRetry(program);
  defineAbort(program);
}

/** The two parts of the scripts that this project replaces, by their own arguments. */
function defineScripts(program: Command): void {
  const init = program
    .command('init')
    .summary('part one of the former scripts: dump and capture, then wait')
    .description(
      'Starts a migration, dumps the collection while its changes are captured, and returns when it waits for "csm sync". Takes the arguments of init_migration.sh with aliases in place of connection strings.',
    )
    .argument('<source>', 'alias of the source')
    .argument('<target>', 'alias of the target')
    .argument('<db>', 'database')
    .argument('<collection>', 'collection')
    .option('--id <workflow-id>', 'instead of migrate:<source>:<db>.<collection>')
    .option('--watch', 'follow it to the end')
    .option('--no-wait', 'return as soon as it is started')
    .action(async (...args: [string, string, string, string, StartOptions]) =>
      (await starting()).init(...args),
    );
  addCommonOptions(addMigrationOptions(init, ['restore']));
  addExamples(
    init,
    'csm init source target shop orders',
    'csm init source target shop orders --token marker --gzip',
  );

  const sync = program
    .command('sync')
    .summary('part two of the former scripts: restore and replay')
    .description(
      'Sends "restore" to the migration that "csm init" has started, and returns when the target has caught up and was compared. Takes the arguments of sync_migration.sh with an alias in place of the connection string.',
    )
    .argument('<target>', 'alias of the target')
    .argument('<db>', 'database')
    .argument('<collection>', 'collection')
    .option('--source <alias>', 'alias of the source, when several migrations go there')
    .option('--id <workflow-id>', 'the migration, when it has another id than usual')
    .option('--watch', 'follow it to the end, over the cutover')
    .option('--no-wait', 'return as soon as "restore" is sent')
    .action(async (...args: [string, string, string, SyncOptions]) =>
      (await import('../commands/sync.js')).sync(...args),
    );
  addCommonOptions(sync);
  addExamples(sync, 'csm sync target shop orders', 'csm sync target shop orders --watch');
}

function defineStart(program: Command): void {
  const start = program
    .command('start')
    .summary('start a migration')
    .description(
      'Starts a migration and returns when its preflight has found nothing against it. Several namespaces, or one with a *, are one migration of many collections: all are captured from the start and cut over at one fence. One plain namespace is a migration of that collection, and takes none of the options that are for several.',
    )
    .argument(
      '<namespaces...>',
      "<db>.<collection> at the source, or patterns with * for any text, in quotes: 'shop.*'; \\* is a star",
    )
    .option('--id <workflow-id>', 'instead of migrate:<source>:<namespaces by commas>')
    .option('--watch', 'follow it to the end')
    .option('--no-wait', 'return at once, also when no worker is there yet')
    .action(async (...args: [string[], StartOptions]) => (await starting()).start(...args));
  addSides(start);
  addGroupOptions(start);
  addCommonOptions(addMigrationOptions(start));
  addExamples(
    start,
    'csm start shop.orders',
    'csm start shop.orders --source eu --target atlas --copy direct --watch',
    'csm start shop.orders --target-namespace shop.orders_2026 --cutover auto',
    "csm start 'shop.*' --exclude 'shop.tmp_*' --parallel-copies 4",
    "csm start 'shop.*' crm.people --rename 'shop.*=store.*' --follow",
  );
}

function defineMessages(program: Command): void {
  const texts = {
    restore: [
      'go on with the restore',
      'Goes on after the dump, with "csm init" or --restore signal.',
    ],
    pause: [
      'pause a migration',
      'Stops copy, replay and comparison. Changes are still captured, so that nothing is lost.',
    ],
    resume: ['go on after a pause', 'Ends a pause.'],
    restart: [
      'discard the copy and begin it anew',
      'For a target that somebody has written to or repaired. Changes are still captured, so that nothing is lost. Asks first on a terminal.',
    ],
  } as const;
  for (const name of ['restore', 'pause', 'resume', 'restart'] as const) {
    const [summary, description] = texts[name];
    const command = program
      .command(name)
      .summary(summary)
      .description(description)
      .argument('<migration>', MIGRATION)
      .option('--reason <text>', 'for those who read the history')
      .action(async (migration: string, options: MessageOptions) =>
        (await messages()).message(name, migration, options),
      );
    if (name === 'restart') command.option('--yes', 'do not ask');
    addCommonOptions(addSource(command));
    addExamples(
      command,
      `csm ${name} shop.orders`,
      `csm ${name} migrate:eu:shop.orders`,
      ...(name === 'restart' ? [] : [`csm ${name} 'shop.*'`]),
    );
  }
}

function defineCutover(program: Command): void {
  const cutover = program
    .command('cutover')
    .summary('cut over: the target is opened for applications')
    .description(
      'Stop the writers first. Applies the last changes, brings indexes into force, and answers when applications may use the target; or says what speaks against it, and then nothing has changed. With --at or --when-lag-under it comes by itself later. All collections of a group are cut over at one fence, or none.',
    )
    .argument('<migration>', MIGRATION)
    .addOption(
      new Option('--force <codes>', `overrule blockers: ${forcible.join(', ')}`).argParser(
        readForce,
      ),
    )
    .addOption(
      new Option(
        '--leave <namespaces>',
        'of a group: go ahead without these, which stay as they are',
      ).argParser(readNames),
    )
    .option('--at <time>', 'cut over at this time, for example 2027-06-01T02:00:00Z')
    .option(
      '--when-lag-under <seconds>',
      'cut over once the lag has been so small for a while',
      readNumber,
    )
    .option('--for-seconds <n>', 'for how long; 60 unless given', readNumber)
    .option('--withdraw', 'no longer cut over by itself')
    .option('--dry-run', 'only say what speaks against it now')
    .option('--yes', 'do not ask before --force differences or refused')
    .action(async (...args: [string, CutoverOptions]) =>
      (await import('../commands/cutover.js')).cutover(...args),
    );
  addCommonOptions(addSource(cutover));
  addExamples(
    cutover,
    'csm cutover shop.orders',
    'csm cutover shop.orders --dry-run',
    'csm cutover shop.orders --force lag,verification',
    'csm cutover shop.orders --at 2027-06-01T02:00:00Z',
    'csm cutover shop.orders --when-lag-under 2 --for-seconds 60',
    'csm cutover shop.orders --withdraw',
    "csm cutover 'shop.*' --leave shop.carts",
  );
}

function readForce(text: string, before: readonly string[] | undefined): string[] {
  const codes = readNames(text, before);
  const unknown = codes.find((code) => !forcible.some((known) => known === code));
  if (unknown === undefined) return codes;
  const [near] = nearest(unknown, forcible);
  throw new CliError('usage', `"${unknown}" cannot be forced: only ${forcible.join(', ')} can`, {
    todo: near === undefined ? [] : [`did you mean ${near}?`],
  });
}

function defineTune(program: Command): void {
  const tune = program
    .command('tune')
    .summary('change settings of a migration that runs')
    .description(
      'Changes how a migration copies and compares while it goes on. What is left out stays as it is. Limits of the copy are for --copy direct, and those of a group for each of its collections.',
    )
    .argument('<migration>', MIGRATION)
    .action(async (...args: [string, TuneOptions]) =>
      (await import('../commands/tune.js')).tune(...args),
    );
  addCommonOptions(addSource(addTuneOptions(tune)));
  addExamples(
    tune,
    'csm tune shop.orders --parallel-partitions 4',
    'csm tune shop.orders --copy-documents-per-second 5000',
    'csm tune shop.orders --verify-bytes-per-second none',
    "csm tune 'shop.*' --parallel-copies 4",
  );
}

function defineRetry(program: Command): void {
  const retry = program
    .command('retry')
    .summary('begin collections of a group anew that have failed')
    .description(
      'Begins collections of a group anew that have ended without a cutover: all of them, or those that are named. Mend first what has ended them.',
    )
    .argument('<group>', GROUP)
    .argument('[namespaces...]', 'collections of it')
    .action(async (...args: [string, string[], MessageOptions]) =>
      (await import('../commands/retry.js')).retry(...args),
    );
  addCommonOptions(addSource(retry));
  addExamples(retry, "csm retry 'shop.*'", "csm retry 'shop.*' shop.carts shop.people");
}

function defineAbort(program: Command): void {
  const abort = program
    .command('abort')
    .summary('end a migration and remove what it wrote')
    .description(
      'Ends a migration: buffer, staging collection, dump files and control documents are removed. The target collection stays unless --drop-target is given. A group ends with all its collections. Asks first on a terminal.',
    )
    .argument('<migration>', MIGRATION)
    .option('--drop-target', 'also drop the target collection')
    .option('--reason <text>', 'for those who read the history')
    .option('--yes', 'do not ask')
    .option('--no-wait', 'do not wait for the clean-up')
    .action(async (...args: [string, AbortOptions]) => (await messages()).abort(...args));
  addCommonOptions(addSource(abort));
  addExamples(
    abort,
    'csm abort shop.orders',
    'csm abort shop.orders --drop-target --yes --reason "wrong target"',
  );
}
