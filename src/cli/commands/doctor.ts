import type { Finding } from '../../preflight/report.js';
import { TASK_QUEUE } from '../../names.js';
import { parseMigrateCollection } from '../../options.js';
import { CliError } from '../cli-error.js';
import { count, duration } from '../format.js';
import { Output } from '../output.js';
import { requirePlain } from '../patterns.js';
import { packageVersion } from '../version.js';
import { row } from '../render-migration.js';
import { openSession, type Session } from '../session.js';
import { findWorkers } from '../workers.js';
import type { CommonOptions } from './context.js';
import { inspect } from './preflight.js';
import { findMissing } from './setup.js';

/** Options of `doctor`. */
export interface DoctorOptions extends CommonOptions {
  readonly source: string;
  readonly target: string;
  readonly servers: boolean;
}

/** One thing that was looked at; `csm doctor --json` prints `{checks: [...]}`. */
export interface Check {
  readonly check: string;
  readonly result: 'ok' | 'warning' | 'problem';
  readonly text: string;
  readonly todo?: string;
}

/** Findings of a preflight that are about one collection, not about the servers and tools. */
const ABOUT_A_COLLECTION =
  /^(source(Missing|View|TimeSeries|System|Encrypted|Index|ListRefused|FindRefused|StreamRefused|NoToken)|target(Privileges|Refused|Exists|NameTooLong|DatabaseCase|Index|Room)|sameCollection|collModRefused|migrationExists|controlConflict|nameTaken|oplogShort|slowCutover|preImages|leftover|marker\w+)$/;
/** A collection that nobody has: the look stops at the servers. */
const NO_COLLECTION = 'csm_doctor.nothing';

const START_ONE =
  'start one with "npm start" in a clone of this project, with the same TEMPORAL_* settings';

/**
 * `csm doctor`: looks at everything between this command and the servers.
 * @throws CliError usage, or refused where it has found a problem
 */
export async function doctor(namespace: string | undefined, options: DoctorOptions): Promise<void> {
  const input = inputFor(namespace, options);
  const output = Output.of(options.json);
  output.onInterrupt('the look has ended');
  const checks: Check[] = [];
  const add = (...found: readonly Check[]) => {
    checks.push(...found);
    if (!output.isLive) return;
    output.say(...found.flatMap((check) => renderCheck(check, output)));
  };
  add(versionsOf());
  await examine(add, input, options, (line) => output.show([line])).catch((error: unknown) => {
    if (!(error instanceof CliError)) throw error;
    const todo = error.exit === 'noWorker' ? START_ONE : error.todo[0];
    add(problem(nameOfFailure(error), error.message, todo));
  });
  if (!output.isLive) output.say(...checks.flatMap((check) => renderCheck(check, output)));
  output.data({ checks });
  output.clear();
  const problems = checks.filter(({ result }) => result === 'problem');
  if (problems.length === 0) {
    output.say('all is well');
    return;
  }
  throw new CliError('refused', `${count(problems.length, 'problem')} found`);
}

async function examine(
  add: (...found: readonly Check[]) => void,
  input: Input,
  options: DoctorOptions,
  show: (line: string) => void,
): Promise<void> {
  show('connecting to Temporal');
  const session = await openSession(options);
  add(await temporalOf(session), await searchOf(session));
  const workers = await workersOf(session);
  add(...workers);
  if (workers.some(({ result }) => result === 'problem') || !options.servers) return;
  show(`asking a worker about "${options.source}" and "${options.target}"`);
  add(...(await serversOf(session, input)));
}

/** What the worker is asked about. */
type Input = Readonly<Record<'source' | 'target' | 'namespace', string>>;

/** Checked before Temporal is, so that a mistake looks like one. @throws CliError usage */
function inputFor(namespace: string | undefined, { source, target }: DoctorOptions): Input {
  const plain =
    namespace === undefined ? NO_COLLECTION : requirePlain(namespace, 'doctor looks at');
  const input = { source, target, namespace: plain };
  const parsed = parseMigrateCollection(input, 'doctor');
  if ('error' in parsed) throw new CliError('usage', parsed.error);
  return input;
}

function versionsOf(): Check {
  return ok('csm', `${packageVersion()}, Node ${process.versions.node}`);
}

async function temporalOf({ connection, address, namespace, call }: Session): Promise<Check> {
  const { serverVersion } = await call(() => connection.workflowService.getSystemInfo({}));
  return ok('temporal', `${address}, namespace ${namespace}, server ${serverVersion || 'unknown'}`);
}

/** Nobody needs them: that they are missing, or may not be seen, is no problem. */
async function searchOf(session: Session): Promise<Check> {
  const missing = await findMissing(session).catch(() => undefined);
  if (missing?.length === 0)
    return ok('search', 'migrations can be searched for by phase and problem');
  if (!missing) return ok('search', 'search attributes may not be seen by this command');
  return ok('search', `not set up, and not needed; "csm setup" registers ${missing.join(', ')}`);
}

async function workersOf(session: Session): Promise<Check[]> {
  const workers = await findWorkers(session);
  const fresh = workers.filter(({ isFresh }) => isFresh);
  if (fresh.length === 0) {
    const last = workers[0] ? `; the last was ${workers[0].identity}` : '';
    return [
      problem('worker', `no worker asks for work on task queue ${TASK_QUEUE}${last}`, START_ONE),
    ];
  }
  const versions = new Set(fresh.map(({ sdk }) => sdk).filter((sdk) => sdk !== ''));
  const mixed: Check[] =
    versions.size > 1
      ? [
          warning(
            'worker',
            `workers of several versions: SDK ${[...versions].join(', ')}`,
            'bring all to one version',
          ),
        ]
      : [];
  return [
    ...fresh.map(({ identity, sdk, lastSeen, serves }) => {
      const ago = duration((Date.now() - Date.parse(lastSeen)) / 1000);
      const text = `${identity}, SDK ${sdk || 'unknown'}, seen ${ago} ago`;
      return serves.length === 2
        ? ok('worker', text)
        : warning('worker', `${text}, serves ${serves.join()} only`, 'start it again');
    }),
    ...mixed,
  ];
}

/** What a worker finds when it looks at both sides by their aliases. */
async function serversOf(session: Session, input: Input): Promise<Check[]> {
  const { source, target, namespace } = input;
  const found = await inspect(session, {
    workflowId: `doctor:${source}:${target}:${Date.now()}`,
    input,
    summary: `csm doctor looks at ${source} and ${target}`,
  });
  const { errors, warnings, source: from, target: to, disk, tools } = found;
  const isAsked = ({ code }: Finding) =>
    namespace !== NO_COLLECTION || !ABOUT_A_COLLECTION.test(code);
  const bad = errors.filter(isAsked);
  return [
    ...(from ? [ok('source', `"${source}": MongoDB ${from.version}, ${from.topology}`)] : []),
    ...(to ? [ok('target', `"${target}": MongoDB ${to.version}, ${to.topology}`)] : []),
    ...(tools === undefined ? [] : [ok('tools', tools)]),
    ...(disk ? [ok('disk', `dump files go to ${disk.folder}`)] : []),
    ...bad.map(({ code, message }) => problem(sideOf(code), message)),
    ...warnings.filter(isAsked).map(({ code, message }) => warning(sideOf(code), message)),
  ];
}

function sideOf(code: string): string {
  if (code.startsWith('source')) return 'source';
  if (code.startsWith('target')) return 'target';
  return code.startsWith('tools') ? 'tools' : code.startsWith('disk') ? 'disk' : 'both';
}

function nameOfFailure({ exit }: CliError): string {
  return exit === 'noTemporal' ? 'temporal' : exit === 'noWorker' ? 'worker' : 'aliases';
}

function renderCheck({ check, result, text, todo }: Check, { colors }: Output): string[] {
  const signs = { ok: colors.green('✓'), warning: colors.yellow('!'), problem: colors.red('✗') };
  return [
    `${signs[result]}${row(check, text)[0]?.slice(1) ?? ''}`,
    ...(todo ? row('', `→ ${todo}`) : []),
  ];
}

function ok(check: string, text: string): Check {
  return { check, result: 'ok', text };
}

function warning(check: string, text: string, todo?: string): Check {
  return { check, result: 'warning', text, ...(todo !== undefined && { todo }) };
}

function problem(check: string, text: string, todo?: string): Check {
  return { check, result: 'problem', text, ...(todo !== undefined && { todo }) };
}
