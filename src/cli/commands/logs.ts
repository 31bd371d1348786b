import { setTimeout as sleep } from 'node:timers/promises';
import { findMigration } from '../find-migration.js';
import { Reading } from '../reading.js';
import { moment } from '../format.js';
import { History } from '../history.js';
import { HANG, type Output } from '../output.js';
import type { Told } from '../story.js';
import { type CommonOptions, openContext } from './context.js';

const EVERY_MS = 2_000;
/** Columns of what a line is about: steps and messages, and what the collections of a group need. */
const NARROWEST = 14;
const WIDEST = 32;

/** Options of `logs`. */
export interface LogsOptions extends CommonOptions {
  readonly source: string;
  readonly follow?: boolean;
}

/** `csm logs`: what has happened, from the history that Temporal keeps; needs no worker. */
export async function logs(
  migration: string,
  { source, follow, ...options }: LogsOptions,
): Promise<void> {
  const { session, output } = await openContext(options);
  const { workflowId, runId } = await findMigration(session, migration, source);
  const history = new History(session, workflowId, runId);
  if (follow) {
    await goOn(history, output);
    return;
  }
  const { told } = await history.read();
  output.data(told);
  write(told, output);
}

/** Writes what is new until the workflow is over; outlives restarts of Temporal. */
async function goOn(history: History, output: Output): Promise<void> {
  output.onInterrupt('the migration goes on');
  const reading = new Reading(output);
  const written = new Set<string>();
  for (;;) {
    const story = await reading.once(() => history.read());
    // What is under way is told anew each time; a line that stays would be said again and again.
    const lines = story?.told.filter(({ kind }) => kind !== 'underway') ?? [];
    const news = lines.filter((each) => !written.has(keyOf(each)));
    news.forEach((each) => written.add(keyOf(each)));
    news.forEach((each) => output.data(each, { lines: true }));
    write(news, output);
    if (story?.isOver) return;
    await sleep(EVERY_MS);
  }
}

function write(lines: readonly Told[], output: Output): void {
  const collections = lines.map(({ what }) => what).filter((what) => what.includes('.'));
  const longest = Math.max(NARROWEST, ...collections.map(({ length }) => length));
  const width = Math.min(WIDEST, longest);
  output.say(...lines.map((each) => lineOf(each, width, output)));
}

function keyOf({ at, what, text }: Told): string {
  return `${at} ${what} ${text}`;
}

function lineOf({ at, what, text, kind }: Told, width: number, { colors }: Output): string {
  const paint = kind === 'failure' ? colors.red : kind === 'message' ? colors.cyan : String;
  return `${moment(at)}  ${what.padEnd(width)} ${HANG}${paint(text)}`;
}
