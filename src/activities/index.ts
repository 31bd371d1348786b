import type { Comparison } from '../comparison.js';
import type { LagBound } from '../cutover-plan.js';
import type { Group, GroupLook } from '../group.js';
import type { Migration } from '../migration.js';
import type { Limits } from '../tuning.js';
import { capture } from './capture.js';
import { captureToken } from './capture-token.js';
import { cleanUp, type CleanUpOptions, countLateWrites } from './clean-up.js';
import { compareCollections } from './compare-collections.js';
import type { ActivityDependencies } from './context.js';
import { convertIndexes } from './convert-indexes.js';
import { copyPartition, dump, type Dumped, restore } from './copy.js';
import { discardCopy } from './discard-copy.js';
import { dryRun } from './dry-run.js';
import { buildIndexes, renameStaging } from './finish-copy.js';
import { followShape } from './follow-shape.js';
import {
  cutoverTogether,
  dryRunTogether,
  type GroupCutoverOrder,
} from './group/cutover-together.js';
import { resolveCollections } from './group/resolve-collections.js';
import { type Letter, tellMembers } from './group/tell-members.js';
import { watchCollections } from './group/watch-collections.js';
import { inspect } from './inspect.js';
import { type GroupRuns, untilLagIs, untilLagsAre } from './lag.js';
import { planCopy } from './plan-copy.js';
import { letGo, plannedCutover } from './planned-cutover.js';
import { preflight } from './preflight.js';
import { untilProblemChanges } from './problem.js';
import { replay } from './replay.js';
import { tune } from './tune.js';
import { catchUp, reverify, verify } from './verify.js';

export type { ActivityDependencies } from './context.js';

/** The steps of all workflows. Their names are in the history of running workflows: they stay. */
export function createActivities(deps: ActivityDependencies) {
  return {
    preflight: (migration: Omit<Migration, 'traits'>) => preflight(deps, migration),
    captureToken: (migration: Migration) => captureToken(deps, migration),
    capture: (migration: Migration) => capture(deps, migration),
    planCopy: (migration: Migration) => planCopy(deps, migration),
    dump: (migration: Migration, partition: number) => dump(deps, migration, partition),
    restore: (migration: Migration, dumped: Dumped) => restore(deps, migration, dumped),
    copyPartition: (migration: Migration, partition: number) =>
      copyPartition(deps, migration, partition),
    discardCopy: (migration: Migration) => discardCopy(deps, migration),
    buildIndexes: (migration: Migration) => buildIndexes(deps, migration),
    renameStaging: (migration: Migration) => renameStaging(deps, migration),
    replay: (migration: Migration) => replay(deps, migration),
    followShape: (migration: Migration) => followShape(deps, migration),
    catchUp: (migration: Migration) => catchUp(deps, migration),
    verify: (migration: Migration) => verify(deps, migration),
    reverify: (migration: Migration) => reverify(deps, migration),
    cutover: (migration: Migration, force: readonly string[], notAfter?: string) =>
      plannedCutover(deps, migration, force, notAfter),
    letGo: (migration: Migration) => letGo(deps, migration),
    untilLagIs: (migration: Migration, bound: LagBound) => untilLagIs(deps, migration, bound),
    untilLagsAre: (group: Group, runs: GroupRuns, bound: LagBound) =>
      untilLagsAre(deps, group, runs, bound),
    untilProblemChanges: (migration: Migration, last: string | null) =>
      untilProblemChanges(deps, migration, last),
    dryRun: (migration: Migration, force: readonly string[]) => dryRun(deps, migration, force),
    tune: (migration: Migration, limits: Limits) => tune(deps, migration, limits),
    convertIndexes: (migration: Migration) => convertIndexes(deps, migration),
    countLateWrites: (migration: Migration) => countLateWrites(deps, migration),
    cleanUp: (migration: Migration, options: CleanUpOptions) => cleanUp(deps, migration, options),
    inspect: (migration: Omit<Migration, 'traits'>) => inspect(deps, migration),
    resolveCollections: (look: GroupLook) => resolveCollections(deps, look),
    watchCollections: (group: Group, known: readonly string[]) =>
      watchCollections(deps, group, known),
    tellMembers: (letters: readonly Letter[]) => tellMembers(deps, letters),
    dryRunTogether: (order: Pick<GroupCutoverOrder, 'members' | 'force'>) =>
      dryRunTogether(deps, order),
    cutoverTogether: (group: Group, order: GroupCutoverOrder) =>
      cutoverTogether(deps, group, order),
    compareCollections: (comparison: Comparison) => compareCollections(deps, comparison),
  };
}

export type Activities = ReturnType<typeof createActivities>;
