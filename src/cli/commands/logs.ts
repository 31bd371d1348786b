import { setTimeout as sleep } from 'node:timers/promises';
import { describe, findMigration } from '../find-migration.js';
import { moment } from '../format.js';
import { HANG, type Output } from '../output.js';
import { tellHistory, type Told } from '../story.js';
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
  const handle = session.client.workflow.getHandle(workflowId, runId);
  if (follow) output.onInterrupt('the migration goes on');
  const written = new Set<string>();
  for (;;) {
    const described = await describe(session, workflowId, runId);
    const { events } = await session.call(() => handle.fetchHistory());
    const isOver = described?.closeTime !== undefined;
    const pending = isOver ? [] : (described?.raw.pendingActivities ?? []);
    const told = tellHistory(events ?? [], pending);
    // What is under way is told anew each time; a line that stays would be said again and again.
    const lines = follow ? told.filter(({ kind }) => kind !== 'underway') : told;
    const news = lines.filter((each) => !written.has(keyOf(each)));
    news.forEach((each) => written.add(keyOf(each)));
    if (follow) news.forEach((each) => output.data(each, { lines: true }));
    else output.data(told);
    const collections = news.map(({ what }) => what).filter((what) => what.includes('.'));
    const longest = Math.max(NARROWEST, ...collections.map(({ length }) => length));
    const width = Math.min(WIDEST, longest);
    output.say(...news.map((each) => lineOf(each, width, output)));
    if (!follow || isOver) return;
    await sleep(EVERY_MS);
  }
}

function keyOf({ at, what, text }: Told): string {
  return `${at} ${what} ${text}`;
}

function lineOf({ at, what, text, kind }: Told, width: number, { colors }: Output): string {
  const paint = kind === 'failure' ? colors.red : kind === 'message' ? colors.cyan : String;
  return `${moment(at)}  ${what.padEnd(width)} ${HANG}${paint(text)}`;
}
