import type { CutoverPlan } from '../../cutover-plan.js';
import type {
  CollectionNames,
  GroupBlocker,
  GroupCutoverReport,
  LeftOut,
  MemberRun,
} from '../../group.js';
import type { MigrateCollectionsOptions } from '../../group-options.js';
import { type Settings, settingsOf, type Tuning } from '../../tuning.js';
import { isFinal, type Phase } from '../phases.js';

/** Where one collection of a group is, as far as the group knows. */
export interface MemberState extends CollectionNames {
  readonly documents: number;
  readonly bytes: number;
  readonly workflowId: string;
  /** Missing until its migration has been started. */
  runId?: string;
  phase: Phase;
  /** Its copy may go on: it is its turn. */
  turn?: true;
  /** When it was (ISO 8601). */
  copyingSince?: string;
  /** No smaller one is copied before it, although it may still look at both sides. */
  keepsPlace?: true;
  /** When it was cut over (ISO 8601). */
  openedAt?: string;
  /** An earlier run of the group has cut it over. */
  earlier?: true;
  /** It was cut over before all of it had been compared. */
  uncompared?: true;
  /** It was cut over with so many documents that differed. */
  differing?: number;
  failure?: string;
  /** What somebody has to look at now that it has ended: late writes, what is left, warnings that came late. */
  afterwards?: readonly string[];
}

/** What a collection tells its group: where it is now. */
export interface MemberReport {
  readonly namespace: string;
  readonly phase: Phase;
  /** Grows with each report of a collection; code before it gave none. */
  readonly order?: number;
  /** It is not copied before it is told that it is its turn. */
  readonly needsTurn?: true;
}

/** What the workflow of a group knows. */
export interface GroupState {
  phase: Phase;
  paused: boolean;
  readonly startedAt: string;
  members: MemberState[];
  /** Since when documents arrive at the target (ISO 8601). */
  copyingSince?: string;
  leftOut: readonly LeftOut[];
  /** Collections that have appeared since and are not taken up. */
  appeared: readonly string[];
  restoreRequested?: true;
  /** What was tuned since the start. */
  tuned?: Tuning;
  /** The same for how many collections are copied at the same time. */
  parallelCopies?: number;
  /** The cutover that comes by itself. */
  plan?: CutoverPlan;
  refused?: { readonly at: string; readonly blockers: readonly GroupBlocker[] };
  rejected: { readonly at: string; readonly message: string }[];
  /** A cutover is under way. */
  cutting?: true;
  /** How often a cutover was begun. */
  cutovers: number;
  /** The last one that was done; others may have to follow. */
  lastCutover?: GroupCutoverReport;
  aborting?: { readonly dropTarget: boolean; readonly reason?: string };
  failure?: string;
  warnings: readonly string[];
}

/** State at the start. */
export function initialGroup(startedAt: string, plan: CutoverPlan | undefined): GroupState {
  return {
    ...(plan && { plan }),
    phase: 'preflight',
    paused: false,
    startedAt,
    members: [],
    leftOut: [],
    appeared: [],
    rejected: [],
    cutovers: 0,
    warnings: [],
  };
}

/** What can be tuned in a group, as it is now. */
export interface GroupSettings extends Settings {
  readonly parallelCopies: number;
}

/** The options of a group with what was tuned since. */
export function settingsOfGroup(
  options: MigrateCollectionsOptions,
  { tuned, parallelCopies = options.parallelCopies }: GroupState,
): GroupSettings {
  return { ...settingsOf(options, tuned), parallelCopies };
}

/** A collection whose migration goes on, or is still to be started. */
export function isUnderWay({ phase }: Pick<MemberState, 'phase'>): boolean {
  return !isFinal(phase);
}

/** A collection that a cutover is still to come for. */
export function isToCutOver(member: Pick<MemberState, 'phase' | 'openedAt'>): boolean {
  return isUnderWay(member) && member.openedAt === undefined;
}

/** A collection whose present copy is in the target, as far as the group knows. */
export function isCopied({ phase }: Pick<MemberState, 'phase'>): boolean {
  return !early.includes(phase);
}

/** A collection that has ended without a cutover. */
export function hasFailed({ phase, openedAt }: Pick<MemberState, 'phase' | 'openedAt'>): boolean {
  return isFinal(phase) && openedAt === undefined;
}

/** All namespaces that a group knows of, whether it moves them or not. */
export function namesKnown({ members, leftOut, appeared }: GroupState): string[] {
  return [...[...members, ...leftOut].map(({ namespace }) => namespace), ...appeared];
}

/** The migration of a collection, once it has been started. */
export function runOf({ namespace, workflowId, runId }: MemberState): MemberRun[] {
  return runId === undefined ? [] : [{ namespace, workflowId, runId }];
}

/** Before these are over, a collection is not copied. */
const early: readonly Phase[] = ['preflight', 'copying', 'waiting'];

/** Phases in the order in which a migration goes through them. */
const order: readonly Phase[] = ['preflight', 'copying', 'waiting', 'replaying', 'ready'];

/** Whether a collection is not as far as a phase on the way to the cutover. */
export function isEarlier(phase: Phase, than: Phase): boolean {
  const at = order.indexOf(phase);
  return at >= 0 && at < order.indexOf(than);
}

/** Whether all collections are ready for their cutover but these. */
export function isReadyWithout(state: GroupState, leave: readonly string[] = []): boolean {
  if (leave.length === 0) return state.phase === 'ready';
  const members = state.members.filter(({ namespace }) => !leave.includes(namespace));
  return phaseOfGroup({ ...state, members }) === 'ready';
}

/** The phase of a group: that of the collection which is least far of those that are still to be cut over. */
export function phaseOfGroup(
  { members, aborting, cutting }: GroupState,
  isCancelled = aborting !== undefined,
): Phase {
  if (cutting) return 'cuttingOver';
  const left = members.filter(isToCutOver);
  if (left.length > 0) {
    if (left.every(({ phase }) => phase === 'preflight')) return 'preflight';
    const least = Math.min(
      ...left.map(({ phase }) => order.indexOf(phase)).filter((at) => at >= 0),
    );
    // What has begun is not called preflight again when one more appears.
    return order[Math.max(1, least)] ?? 'ready';
  }
  // Applications use the target; indexes may still be converted.
  if (members.some(isUnderWay)) return 'cuttingOver';
  if (members.every(hasFailed)) return isCancelled ? 'aborted' : 'failed';
  // A cutover that was done for all is what counts, however it ended.
  return isCancelled && members.some(hasFailed) ? 'aborted' : 'completed';
}
