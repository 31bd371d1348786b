import { firstOf } from '../shorten.js';
import type { GroupStatus } from '../workflows/group/status.js';
import type { MigrationStatus } from '../workflows/status.js';
import type { GroupBlocker } from '../group.js';
import { workflowId } from '../names.js';
import { partsOf } from './find-migration.js';
import { count, moment, quoted } from './format.js';
import type { GroupView, MigrationView } from './view.js';

/** The source that is meant when none is given. */
export const DEFAULT_SOURCE = 'source';
/** The target that is meant when none is given. */
export const DEFAULT_TARGET = 'target';

/** Names of those that a planned cutover leaves; `--json` has more. */
const MOST_LEFT = 5;

/** How a migration is named on the command line, as short as may be. */
export function nameOf(id: string): string {
  const parts = partsOf(id);
  if (!parts || id !== workflowId(parts.source, parts.namespace)) return quoted(id);
  return withSource(quoted(parts.namespace), parts.source);
}

/** A name with its source, where that is not the usual one. */
export function withSource(name: string, source: string): string {
  return source === DEFAULT_SOURCE ? name : `${name} --source ${source}`;
}

/** What to do about a blocker, by its code; `<migration>` stands for its name. */
export const blockerTodos: Readonly<Record<string, string>> = {
  copy: 'wait: "csm status <migration> --watch" shows how far it is',
  waiting: 'csm restore <migration>',
  paused: 'csm resume <migration>',
  verification: 'wait until it is done, or overrule it with --force verification',
  differences:
    'wait until they have settled, find out who else writes to the target and have it copied anew with "csm restart <collection>", or open a target that is known to differ with --force differences',
  refused:
    'change or delete these documents at the source, or give them up with --force refused,differences',
  lag: 'wait until it has caught up, or accept a longer downtime with --force lag',
  shape:
    'wait until the index is built; where the target refuses it, mend that there or drop the index at the source',
  target:
    'drop or rename what has its name there, and have the target copied anew: csm restart <collection>',
  stalled: 'see that a worker runs and reaches both sides: csm doctor',
  indexes: 'remove the duplicates at the source, then ask again',
  cuttingOver: 'wait for its answer: csm status <migration> --watch',
  aborting: 'nothing: it is being aborted',
  ended: 'nothing: it is over',
  missed: 'send it now, or plan it anew: csm cutover <migration> --at <time>',
  unknown: 'see that the worker reaches both sides: csm doctor',
  group: 'csm cutover <group>',
};

/** The same of those that only a group has. */
export const groupBlockerTodos: Readonly<Record<string, string>> = {
  failed:
    'where its migration has failed: csm retry <migration>; where the cutover itself has: mend what it names and send it again; or go ahead without: csm cutover <migration> --leave <namespace>',
  appeared: 'wait until it is copied: csm status <migration> --watch',
  none: 'csm retry <migration>',
};

/** Collections that are told of one code; the status has more. */
const SHOWN_OF_CODE = 5;

/**
 * Lines for blockers, with what to do about each code.
 * @param group workflow id of the group that the migration belongs to.
 */
export function describeBlockers(
  blockers: readonly GroupBlocker[],
  id: string,
  group?: string,
): string[] {
  const todos = { ...groupBlockerTodos, ...blockerTodos };
  return [...new Set(blockers.map(({ code }) => code))].flatMap((code) => {
    const same = blockers.filter((each) => each.code === code);
    const more = same.length - SHOWN_OF_CODE;
    // Of a group's collection somebody has to fill in which.
    const isOfCollection = same.some(({ namespace }) => namespace !== undefined);
    const todo = todos[code]
      ?.replaceAll('<migration>', nameOf(id))
      .replace('<collection>', isOfCollection ? '<namespace>' : nameOf(id))
      .replace('<group>', group === undefined ? '<group>' : nameOf(group));
    return [
      ...same.slice(0, SHOWN_OF_CODE).map(({ namespace, message }) => {
        const whose = namespace === undefined ? '' : `${namespace}: `;
        return `${whose}${message} (${code})`;
      }),
      ...(more > 0 ? [`and of ${count(more, 'more collection')} (${code})`] : []),
      ...(todo === undefined ? [] : [`  → ${todo}`]),
    ];
  });
}

/** The cutover that comes by itself, in words; nothing where none is planned. */
export function describePlan({
  cutoverAt,
  cutoverWhen,
  cutoverAuto,
  cutoverLeave: left,
}: Pick<MigrationStatus, 'cutoverAt' | 'cutoverWhen'> &
  // A worker of another version may not tell.
  Partial<Pick<MigrationStatus, 'cutoverAuto'>> &
  Partial<Pick<GroupStatus, 'cutoverLeave'>>): string | undefined {
  if (cutoverAuto) return 'by itself as soon as nothing speaks against it';
  const without = left ? `, without ${firstOf(left.first, MOST_LEFT, left.count)}` : '';
  if (cutoverAt) return `by itself at ${moment(cutoverAt)} (${cutoverAt})${without}`;
  if (!cutoverWhen) return undefined;
  const { whenLagUnder, forSeconds } = cutoverWhen;
  return `by itself once the lag has been at most ${whenLagUnder} s for ${forSeconds} s${without}`;
}

/** What a person does next with a migration; nothing where there is nothing to do. */
export function nextStep(view: MigrationView | GroupView): string | undefined {
  const { workflowId: id, status } = view;
  if (!status) return undefined;
  const name = nameOf(id);
  if (status.paused) return `csm resume ${name}`;
  if (status.phase === 'waiting') return `csm restore ${name}`;
  const left = 'cutoverLeave' in status ? status.cutoverLeave : undefined;
  // What is left by the planned cutover counts for the status of all.
  if (left?.isReady !== true) {
    // A worker of another version may not tell.
    const hasFailed = left
      ? (left as Partial<typeof left>).needsRetry === true
      : status.blockers.some(({ code }) => code === 'failed');
    if (hasFailed) return `csm retry ${name}`;
    if (left || status.phase !== 'ready' || !status.mayCutOver) return undefined;
  }
  if (status.cutoverAt) return `stop the writers before ${moment(status.cutoverAt)}`;
  if (status.cutoverAuto || status.cutoverWhen) {
    return `stop the writers: it cuts over by itself; to decide that yourself: csm cutover ${name} --withdraw`;
  }
  const group = view.input?.group;
  return `stop the writers, then: csm cutover ${group === undefined ? name : nameOf(group)}`;
}
