import type { MigrationStatus } from '../workflows/status.js';
import type { Blocker } from '../migration.js';
import { workflowId } from '../names.js';
import { partsOf } from './find-migration.js';
import { moment, quoted } from './format.js';
import type { MigrationView } from './view.js';

/** The source that is meant when none is given. */
export const DEFAULT_SOURCE = 'source';
/** The target that is meant when none is given. */
export const DEFAULT_TARGET = 'target';

/** How a migration is named on the command line, as short as may be. */
export function nameOf(id: string): string {
  const parts = partsOf(id);
  if (!parts || id !== workflowId(parts.source, parts.namespace)) return quoted(id);
  const name = quoted(parts.namespace);
  return parts.source === DEFAULT_SOURCE ? name : `${name} --source ${parts.source}`;
}

/** What to do about a blocker, by its code; `<migration>` stands for its name. */
export const blockerTodos: Readonly<Record<string, string>> = {
  copy: 'wait: "csm status <migration> --watch" shows how far it is',
  waiting: 'csm restore <migration>',
  paused: 'csm resume <migration>',
  verification: 'wait until it is done, or overrule it with --force verification',
  differences:
    'wait until they have settled, find out who else writes to the target and have it copied anew with "csm restart <migration>", or open a target that is known to differ with --force differences',
  refused:
    'change or delete these documents at the source, or give them up with --force refused,differences',
  lag: 'wait until it has caught up, or accept a longer downtime with --force lag',
  shape:
    'wait until the index is built; where the target refuses it, mend that there or drop the index at the source',
  target:
    'drop or rename what has its name there, and have the target copied anew: csm restart <migration>',
  stalled: 'see that a worker runs and reaches both sides: csm doctor',
  indexes: 'remove the duplicates at the source, then ask again',
  cuttingOver: 'wait for its answer: csm status <migration> --watch',
  aborting: 'nothing: it is being aborted',
  ended: 'nothing: it is over',
  missed: 'send it now, or plan it anew: csm cutover <migration> --at <time>',
  unknown: 'see that the worker reaches both sides: csm doctor',
};

/** A line for each blocker, with what to do. */
export function describeBlockers(blockers: readonly Blocker[], id: string): string[] {
  return blockers.flatMap(({ code, message }) => {
    const todo = blockerTodos[code]?.replace('<migration>', nameOf(id));
    return [`${message} (${code})`, ...(todo === undefined ? [] : [`  → ${todo}`])];
  });
}

/** The cutover that comes by itself, in words; nothing where none is planned. */
export function describePlan({
  cutoverAt,
  cutoverWhen,
}: Pick<MigrationStatus, 'cutoverAt' | 'cutoverWhen'>): string | undefined {
  if (cutoverAt) return `by itself at ${moment(cutoverAt)} (${cutoverAt})`;
  if (!cutoverWhen) return undefined;
  const { whenLagUnder, forSeconds } = cutoverWhen;
  return `by itself once the lag has been at most ${whenLagUnder} s for ${forSeconds} s`;
}

/** What a person does next with a migration; nothing where there is nothing to do. */
export function nextStep({ workflowId: id, status }: MigrationView): string | undefined {
  if (!status) return undefined;
  const name = nameOf(id);
  if (status.paused) return `csm resume ${name}`;
  if (status.phase === 'waiting') return `csm restore ${name}`;
  if (status.phase !== 'ready' || !status.mayCutOver) return undefined;
  if (status.cutoverAt) return `stop the writers before ${moment(status.cutoverAt)}`;
  return `stop the writers, then: csm cutover ${name}`;
}
