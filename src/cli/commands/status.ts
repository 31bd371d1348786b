import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel } from '../../in-parallel.js';
import { CliError } from '../cli-error.js';
import { CopySpeed } from '../copy-speed.js';
import { requireGoodEnd } from '../ending.js';
import { describe, findMigration } from '../find-migration.js';
import { copiedIn, follow, footer, renderView } from '../follow.js';
import { nameOf } from '../next-step.js';
import { renderOverview } from '../overview.js';
import { Reading } from '../reading.js';
import { AT_ONCE, type Session } from '../session.js';
import { type GroupView, isGroup, isMigration, type MigrationView, readView } from '../view.js';
import { FIND_WORKER } from '../workers.js';
import { listMigrations } from '../workflow-list.js';
import { type CommonOptions, type Context, openContext } from './context.js';

const EVERY_MS = 2_000;
/** Without a terminal a table is printed this often. */
const TABLE_EVERY_MS = 10_000;
/** Running migrations that are shown together. */
const MOST = 500;

/** Options of `status`. */
export interface StatusOptions extends CommonOptions {
  readonly source: string;
  readonly watch?: boolean;
}

/** `csm status`: one migration or comparison, or all that run. */
export async function status(name: string | undefined, options: StatusOptions): Promise<void> {
  const context = await openContext(options);
  await (name === undefined ? showAll(context, options) : showOne(context, name, options));
}

async function showOne(
  { session, output }: Context,
  name: string,
  { source, watch }: StatusOptions,
): Promise<void> {
  const described = await findMigration(session, name, source);
  const { workflowId, runId } = described;
  if (watch) {
    output.onInterrupt(
      `the watch has ended, the migration goes on: csm status ${nameOf(workflowId)} --watch`,
    );
    const view = await follow(session, output, { workflowId, runId, everyAnswer: true });
    if (!output.isLive) output.say(...renderView(view, output));
    requireGoodEnd(view);
    return;
  }
  const view = await readView(session, described);
  output.data(view);
  output.say(...renderView(view, output));
  if (view.noAnswer !== null) throw unanswered();
}

async function showAll({ session, output }: Context, { watch }: StatusOptions): Promise<void> {
  if (!watch) {
    const views = await readAll(session);
    output.data({ migrations: views });
    output.say(...renderOverview(views, new Map(), output));
    if (views.some(({ noAnswer }) => noAnswer !== null)) throw unanswered();
    return;
  }
  output.onInterrupt('the watch has ended, the migrations go on: csm status --watch');
  const speeds = new Map<string, CopySpeed>();
  const read = new Reading(output);
  let writtenAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    const views = await read.once(() => readAll(session));
    if (!views) {
      await sleep(EVERY_MS);
      continue;
    }
    const perSecond = new Map(
      views.map((view) => {
        const speed = speeds.get(view.workflowId) ?? new CopySpeed();
        speeds.set(view.workflowId, speed);
        return [view.workflowId, speed.perSecond(copiedIn(view), performance.now())] as const;
      }),
    );
    // The footer is below it, and the line of the cursor.
    const room = output.isLive ? output.rows - 2 : undefined;
    const lines = renderOverview(views, perSecond, output, room);
    output.data({ migrations: views }, { lines: true });
    output.show([...lines, footer(output)]);
    if (!output.isLive && performance.now() - writtenAt > TABLE_EVERY_MS) {
      output.say(...lines, '');
      writtenAt = performance.now();
    }
    await sleep(EVERY_MS);
  }
}

/** A group tells of its collections by itself: they are not asked. */
async function readAll(session: Session): Promise<(MigrationView | GroupView)[]> {
  const running = await listMigrations(session, { running: true, limit: MOST });
  const views = await inParallel(running, AT_ONCE, async ({ workflowId, runId }) => {
    const described = await describe(session, workflowId, runId);
    return described && readView(session, described);
  });
  return views
    .filter((view) => view !== undefined)
    .filter((view) => isMigration(view) || isGroup(view))
    .toSorted((one, other) => one.workflowId.localeCompare(other.workflowId));
}

// Why, and what is known all the same, is shown by then.
function unanswered(): CliError {
  return new CliError('noWorker', 'no worker answers; above is what Temporal knows by itself', {
    todo: [FIND_WORKER],
  });
}
