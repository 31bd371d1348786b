import { type Command, InvalidArgumentError } from 'commander';
import { readNumber } from '../arguments.js';
import type { DoctorOptions } from '../commands/doctor.js';
import type { ListOptions } from '../commands/list.js';
import type { LogsOptions } from '../commands/logs.js';
import type { PreflightOptions } from '../commands/preflight.js';
import type { StatusOptions } from '../commands/status.js';
import type { VerifyOptions } from '../commands/verify.js';
import { addGroupOptions, addMigrationOptions, addVerifyOptions } from '../migration-options.js';
import type { CommonOptions } from '../commands/context.js';
import { addCommonOptions, addExamples, addSides, addSource, MIGRATION } from './common.js';

const MOST_LISTED = 1_000;

/** Defines the commands that look and change no migration. */
export function defineLooking(program: Command): void {
  defineStatus(program);
  defineList(program);
  defineLogs(program);
  definePreflight(program);
  defineVerify(program);
  defineDoctor(program);
  defineSetup(program);
}

function defineStatus(program: Command): void {
  const status = program
    .command('status')
    .summary('where one migration stands, or all that run')
    .description(
      'Shows phase, progress, rates, lag, comparison, problems, and what to do next. Of a group, all its collections together; with --watch each of them too, those first that are least far.',
    )
    .argument('[migration]', `${MIGRATION}; all that run when left out`)
    .option('-w, --watch', 'go on showing it; with --json an answer per line')
    .action(async (...args: [string | undefined, StatusOptions]) =>
      (await import('../commands/status.js')).status(...args),
    );
  addCommonOptions(addSource(status));
  addExamples(
    status,
    'csm status',
    'csm status shop.orders --watch',
    "csm status 'shop.*' --watch",
    "csm status shop.orders --json | jq '.status | {phase, lagSeconds}'",
  );
}

function defineList(program: Command): void {
  const list = program
    .command('list')
    .summary('migrations that Temporal knows')
    .description(
      'Lists migrations, running and ended, the last that were started first. A group stands for its collections. Beyond the limit, those are left out first that ended first.',
    )
    .option('--running', 'only those that run')
    .option('--all', 'also comparisons, preflights, and the collections of groups')
    .option('--limit <number>', 'how many at most', readLimit, 50)
    .action(async (options: ListOptions) => (await import('../commands/list.js')).list(options));
  addCommonOptions(list);
  addExamples(list, 'csm list', 'csm list --running --json');
}

function readLimit(text: string): number {
  const limit = readNumber(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MOST_LISTED) return limit;
  throw new InvalidArgumentError(`It has to be a whole number from 1 to ${MOST_LISTED}.`);
}

function defineLogs(program: Command): void {
  const logs = program
    .command('logs')
    .summary('what has happened to a migration')
    .description(
      "Tells a migration's history in plain words: steps, retries and why, messages and who sent them. Needs no worker.",
    )
    .argument('<migration>', MIGRATION)
    .option('-f, --follow', 'go on until it is over')
    .action(async (...args: [string, LogsOptions]) =>
      (await import('../commands/logs.js')).logs(...args),
    );
  addCommonOptions(addSource(logs));
  addExamples(logs, 'csm logs shop.orders', 'csm logs shop.orders --follow', "csm logs 'shop.*'");
}

function definePreflight(program: Command): void {
  const preflight = program
    .command('preflight')
    .summary('what a migration would meet; writes nothing')
    .description(
      'Looks at both sides as a migration does before it begins: errors, warnings, versions, sizes. Writes nothing. With several namespaces or a pattern it says what they stand for, and what each is called at the target.',
    )
    .argument('<namespaces...>', '<db>.<collection> at the source, or patterns such as "shop.*"')
    .action(async (...args: [string[], PreflightOptions]) =>
      (await import('../commands/preflight.js')).preflight(...args),
    );
  addSides(preflight);
  addMigrationOptions(preflight);
  addCommonOptions(addGroupOptions(preflight));
  addExamples(
    preflight,
    'csm preflight shop.orders',
    'csm preflight shop.orders --copy direct',
    "csm preflight 'shop.*' --exclude 'shop.tmp_*' --rename 'shop.*=store.*'",
  );
}

function defineVerify(program: Command): void {
  const verify = program
    .command('verify')
    .summary('compare two collections byte for byte; writes nothing')
    .description(
      'Compares two collections, whoever filled them: every document, indexes and options. Writes nothing. Exits with 8 when they are not equal.',
    )
    .argument('<namespace>', '<db>.<collection> at the source')
    .option('--id <workflow-id>', 'instead of verify:<source>:<namespace>')
    .option('--no-wait', 'return as soon as it is started')
    .action(async (...args: [string, VerifyOptions]) =>
      (await import('../commands/verify.js')).verify(...args),
    );
  addSides(verify);
  addCommonOptions(addVerifyOptions(verify));
  addExamples(
    verify,
    'csm verify shop.orders',
    'csm verify shop.orders --documents-per-second 5000',
  );
}

function defineDoctor(program: Command): void {
  const doctor = program
    .command('doctor')
    .summary('is everything there that a migration needs?')
    .description(
      'Looks at Temporal, its namespace, the workers on the task queue, and, through a worker, at the servers and tools. For the last it starts the workflow "preflight", which writes nothing.',
    )
    .argument('[namespace]', '<db>.<collection>: look at this collection too')
    .option('--no-servers', 'do not ask a worker about servers and tools')
    .action(async (...args: [string | undefined, DoctorOptions]) =>
      (await import('../commands/doctor.js')).doctor(...args),
    );
  addCommonOptions(addSides(doctor));
  addExamples(doctor, 'csm doctor', 'csm doctor shop.orders --source eu --target atlas');
}

function defineSetup(program: Command): void {
  const setup = program
    .command('setup')
    .summary('make migrations searchable in Temporal')
    .description(
      'Registers the search attributes CsmPhase, CsmNamespace, CsmSource, CsmTarget and CsmProblem in the namespace of Temporal. Migrations that start afterwards have them. What is registered stays as it is.',
    )
    .action(async (options: CommonOptions) =>
      (await import('../commands/setup.js')).setup(options),
    );
  addCommonOptions(setup);
  addExamples(setup, 'csm setup', `temporal workflow list --query "CsmProblem IS NOT NULL"`);
}
