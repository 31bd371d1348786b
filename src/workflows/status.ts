import type {
  Blocker,
  CatalogueReport,
  CutoverReport,
  DifferenceSummary,
  IndexProgress,
  LateWrites,
  Migration,
  RefusedDocuments,
  VerificationReport,
} from '../migration.js';
import type { CutoverPlan, LagBound } from '../cutover-plan.js';
import { type Settings, settingsOf, type Tuning } from '../tuning.js';
import { allBlockers } from './blockers.js';
import type { DumpLoss } from './copy-collection.js';
import { bufferOf, type BufferStatus, bufferWarnings } from './buffer-status.js';
import { estimateCopy } from './estimate.js';
import { isFinal, type Phase } from './phases.js';
import { oplogHoursLeft, problemOf } from './problem.js';

/** Documents and bytes. */
export interface Amount {
  readonly documents: number;
  readonly bytes: number;
}

/** What hinders a migration and what a person can do. */
export interface Problem {
  readonly what: string;
  readonly since?: string;
  readonly todo: string;
}

/** What the workflow itself knows. */
export interface MigrationState {
  /** Workflow id of the group that it belongs to. */
  group?: string;
  phase: Phase;
  paused: boolean;
  startedAt: string;
  copy: 'planned' | 'running' | 'indexes' | 'done';
  /** Since when documents arrive at the target, of the present copy (ISO 8601). */
  copyingSince?: string;
  verification: 'none' | 'planned' | 'running' | 'done';
  report?: VerificationReport;
  /** When every document had been compared. */
  verifiedAt?: string;
  catalogue?: CatalogueReport;
  /** The cutover that comes by itself. */
  plan?: CutoverPlan;
  /** What was tuned since the start. */
  tuned?: Tuning;
  /** Why the last cutover was refused. */
  refused?: { readonly at: string; readonly blockers: readonly Blocker[] };
  /** Messages that were not understood: their name and why. */
  rejected: { readonly at: string; readonly message: string }[];
  cutover?: CutoverReport;
  lateWrites?: LateWrites;
  /** The dump that was lost again and again, and when last (ISO 8601). */
  lostDump?: DumpLoss & { readonly partition: number; readonly at: string };
  /** The copy is being discarded. */
  restarting?: true;
  /** How often the copy has begun anew, with the last time that somebody asked for it. */
  restarts?: { readonly count: number; readonly at: string; readonly reason?: string };
  /** Which copy it is; missing for the first. */
  round?: number;
  aborting?: { readonly dropTarget: boolean; readonly reason?: string };
  /** What is left at the target after the clean-up. */
  left?: readonly string[];
  /** What did not succeed once applications used the target. */
  afterwards?: readonly string[];
  failure?: string;
  warnings: readonly string[];
  total: Amount;
}

/** What the servers and Temporal say at the moment of the query. */
export interface Live {
  readonly asOf: string;
  readonly lagSeconds?: number | undefined;
  readonly stalled: boolean;
  /** Since when the change stream answers without moving although the source does. */
  readonly standsSince?: string;
  readonly captured: {
    readonly events: number;
    readonly buffered: number;
    readonly bytes: number;
    readonly eventsPerSecond: number;
    readonly resumeToken?: string;
  };
  readonly applied: { readonly changes: number; readonly changesPerSecond: number };
  readonly positions: {
    readonly read?: string | undefined;
    readonly buffered?: string | undefined;
    readonly applied?: string | undefined;
    /** Up to here every changed document was compared after its change was applied. */
    readonly verified?: string | undefined;
  };
  /** With the bytes by which it has grown per second over the last minute, and since when it has been full. */
  readonly buffer?: Amount & {
    readonly growth?: number | undefined;
    readonly fullSince?: string | undefined;
  };
  readonly oplogHours?: number | undefined;
  readonly copied: Amount & {
    readonly read: number;
    readonly partitions: number;
    readonly copiedPartitions: number;
  };
  /** While the indexes are built after the copy. */
  readonly indexBuild?: IndexProgress;
  readonly verified: Amount;
  /** When the last comparison of all documents that came to its end had begun. */
  readonly lastPassAt?: string | undefined;
  /** Seconds by which the comparison of changed documents is behind the replay, where that is much. */
  readonly uncomparedSeconds?: number | undefined;
  /** Differences that are known now. */
  readonly differences: DifferenceSummary;
  /** Indexes and options of the source that are not at the target yet, and why where it refuses. */
  readonly shape?: readonly { readonly what: string; readonly problem?: string }[];
  /** Documents of the source that the target does not take. */
  readonly refused?: RefusedDocuments | undefined;
  /** Running activities that Temporal is not happy with. */
  readonly problem?: Problem;
}

/** Why the servers could not be read, with what Temporal says. */
export type Unread = { readonly error: string } & Pick<Live, 'problem'>;

/** The answer to the query `status`. */
export interface MigrationStatus {
  readonly phase: Phase;
  readonly paused: boolean;
  readonly stalled: boolean;
  /** What the migration waits for, if it waits. */
  readonly waitingFor: string | null;
  readonly source: string;
  readonly target: string;
  readonly namespace: string;
  readonly targetNamespace: string;
  readonly startedAt: string;
  readonly lagSeconds: number | null;
  readonly captured: Live['captured'] | null;
  readonly applied: Live['applied'] | null;
  /** Times up to which the source's changes are read, in the buffer, at the target, and compared. */
  readonly positions: Live['positions'];
  readonly copied: Amount;
  readonly total: Amount;
  /** Percent of the documents that are in the target, of the copy alone. */
  readonly copiedPercent: number | null;
  /** How far the build of the indexes is that follows the copy, while it goes on. */
  readonly indexBuild: IndexProgress | null;
  readonly etaSeconds: number | null;
  readonly buffer: BufferStatus | null;
  /** Hours of change history that the source holds beyond what is read: an outage may last so long. */
  readonly oplogHoursLeft: number | null;
  readonly verification: {
    readonly state: MigrationState['verification'];
    readonly documents: number;
    readonly bytes: number;
    readonly report: VerificationReport | null;
    /** When the last comparison of all documents had begun: what somebody else writes to the target is found by the next. */
    readonly lastPassAt: string | null;
    /** Indexes and options of both sides, compared after the cutover. */
    readonly catalogue: CatalogueReport | null;
  };
  /** Documents of the source that the target does not take; not null when there are some. */
  readonly refused: RefusedDocuments | null;
  /** May it cut over now? */
  readonly mayCutOver: boolean;
  /** When it is planned to cut over by itself (ISO 8601). */
  readonly cutoverAt: string | null;
  /** The lag at which it is planned to cut over by itself. */
  readonly cutoverWhen: LagBound | null;
  /** Whether it cuts over by itself as soon as nothing speaks against it. */
  readonly cutoverAuto: boolean;
  readonly blockers: readonly Blocker[];
  readonly lastRefusal: MigrationState['refused'] | null;
  readonly restarts: NonNullable<MigrationState['restarts']> | null;
  /** What `tune` can change, as it is now. */
  readonly settings: Settings;
  readonly problem: Problem | null;
  readonly warnings: readonly string[];
  readonly rejectedMessages: MigrationState['rejected'];
  readonly cutover: CutoverReport | null;
  /** When the target was ready for applications. */
  readonly openedAt: string | null;
  readonly lateWrites: LateWrites | null;
  readonly left: readonly string[] | null;
  /** Those of the warnings that came after the target was opened. */
  readonly afterwards: readonly string[];
  /** When the live fields were read; with `error` they could not be. */
  readonly live: { readonly asOf?: string; readonly error?: string };
}

const NOTHING = { documents: 0, bytes: 0 } as const;

/** State at the start. */
export function initialState(startedAt: string, plan?: CutoverPlan): MigrationState {
  return {
    ...(plan && { plan }),
    phase: 'preflight',
    paused: false,
    startedAt,
    copy: 'planned',
    verification: 'planned',
    rejected: [],
    warnings: [],
    total: NOTHING,
  };
}

/** Puts together what the workflow and the servers know. */
export function buildStatus(
  state: MigrationState,
  migration: Pick<Migration, 'options'>,
  live?: Live | Unread,
): MigrationStatus {
  const { source, target, namespace, targetNamespace } = migration.options;
  const now = live && !('error' in live) ? live : undefined;
  const blockers = allBlockers(state, migration, now);
  const settings = settingsOf(migration.options, state.tuned);
  const buffer = bufferOf(now, settings.maxBufferBytes);
  const done = state.copy === 'done' || state.copy === 'indexes';
  const copied = now?.copied ?? state.cutover?.copied ?? (done ? state.total : NOTHING);
  const total = {
    documents: Math.max(state.total.documents, copied.documents),
    bytes: Math.max(state.total.bytes, copied.bytes),
  };
  return {
    phase: state.phase,
    paused: state.paused,
    stalled: now?.stalled ?? false,
    waitingFor: waitingFor(state),
    source,
    target,
    namespace,
    targetNamespace,
    startedAt: state.startedAt,
    lagSeconds: now?.lagSeconds ?? null,
    ...progress(state.cutover, now),
    positions: {
      ...(now?.positions ?? positionsAt(state.cutover)),
      verified: now?.positions.verified ?? state.verifiedAt,
    },
    copied: { documents: copied.documents, bytes: copied.bytes },
    total,
    copiedPercent: done ? 100 : percent(copied.documents, total.documents),
    indexBuild: now?.indexBuild ?? null,
    etaSeconds: eta(state, now, copied.documents, total.documents),
    buffer,
    oplogHoursLeft: oplogHoursLeft(now),
    verification: {
      state: state.verification,
      documents: state.report?.documents ?? now?.verified.documents ?? 0,
      bytes: state.report?.bytes ?? now?.verified.bytes ?? 0,
      report: reportOf(state, now),
      lastPassAt: now?.lastPassAt ?? state.cutover?.lastPassAt ?? null,
      catalogue: state.catalogue ?? null,
    },
    refused: refusedOf(state, now),
    mayCutOver: blockers.length === 0,
    ...plannedOf(state),
    blockers,
    lastRefusal: state.refused ?? null,
    restarts: state.restarts ?? null,
    settings,
    problem: problemOf(state, buffer, live),
    warnings: [...state.warnings, ...bufferWarnings(buffer, state), ...(state.afterwards ?? [])],
    afterwards: state.afterwards ?? [],
    rejectedMessages: state.rejected,
    cutover: state.cutover ?? null,
    openedAt: state.cutover?.openedAt ?? null,
    lateWrites: state.lateWrites ?? null,
    left: state.left ?? null,
    live: live ? ('error' in live ? { error: live.error } : { asOf: live.asOf }) : {},
  };
}

/** The report of the first comparison, with what is known of differences now. */
function reportOf(
  { report, cutover }: MigrationState,
  live: Live | undefined,
): VerificationReport | null {
  return report ? { ...report, ...(live?.differences ?? cutover?.differences) } : null;
}

function refusedOf({ cutover }: MigrationState, live: Live | undefined): RefusedDocuments | null {
  const refused = live ? live.refused : cutover?.refused;
  return refused && refused.count > 0 ? refused : null;
}

/** After the cutover nobody asks the servers any more: its report says how far all came. */
function progress(
  cutover: CutoverReport | undefined,
  live: Live | undefined,
): Pick<MigrationStatus, 'captured' | 'applied'> {
  if (live) return { captured: live.captured, applied: live.applied };
  if (!cutover) return { captured: null, applied: null };
  const { captured, applied, buffered = { changes: applied, bytes: 0 } } = cutover;
  return {
    captured: {
      events: captured,
      buffered: buffered.changes,
      bytes: buffered.bytes,
      eventsPerSecond: 0,
    },
    applied: { changes: Math.min(applied, buffered.changes), changesPerSecond: 0 },
  };
}

function positionsAt(cutover: CutoverReport | undefined): Live['positions'] {
  if (!cutover) return {};
  const at = new Date(Number.parseInt(cutover.fence, 10) * 1000).toISOString();
  return { read: at, buffered: at, applied: at };
}

function waitingFor(state: MigrationState): string | null {
  if (isFinal(state.phase)) return null;
  if (state.paused) return 'resume (update or signal)';
  if (state.phase === 'waiting') return 'restore (update or signal)';
  if (state.phase !== 'ready') return null;
  if (state.group !== undefined) return `the cutover of its group, ${state.group}`;
  return describeAwaited(state.plan);
}

/** What a migration that is ready waits for, in words. */
export function describeAwaited(plan: MigrationState['plan']): string {
  if (!plan) return 'cutover (update or signal)';
  if (plan.kind === 'at') return `the time of the cutover, ${plan.at}`;
  if (plan.kind === 'auto') return 'the next try of the cutover';
  return `a lag of at most ${plan.whenLagUnder} s for ${plan.forSeconds} s, and then cuts over`;
}

/** The cutover that comes by itself, as status and the answer to its message show it. */
export function plannedOf({
  plan,
  cutover,
  phase,
}: Pick<MigrationState, 'plan' | 'phase'> & { readonly cutover?: unknown }): Pick<
  MigrationStatus,
  'cutoverAt' | 'cutoverWhen' | 'cutoverAuto'
> {
  if (!plan || cutover || isFinal(phase)) {
    return { cutoverAt: null, cutoverWhen: null, cutoverAuto: false };
  }
  const { kind } = plan;
  return {
    cutoverAuto: kind === 'auto',
    cutoverAt: kind === 'at' ? plan.at : null,
    cutoverWhen:
      kind === 'lag' ? { whenLagUnder: plan.whenLagUnder, forSeconds: plan.forSeconds } : null,
  };
}

/** A part in percent, with one decimal; nothing where the whole is nothing. */
export function percent(part: number, whole: number): number | null {
  return whole > 0 ? Math.min(100, Math.round((part / whole) * 1000) / 10) : null;
}

function eta(
  state: MigrationState,
  live: Live | undefined,
  copied: number,
  total: number,
): number | null {
  if (!live || state.paused) return null;
  if (state.phase === 'copying' && state.copy === 'running') {
    return estimateCopy({ since: state.copyingSince, asOf: live.asOf }, copied, total);
  }
  const left = live.captured.buffered - live.applied.changes;
  if (state.phase !== 'replaying' || live.applied.changesPerSecond === 0) return null;
  return Math.max(0, Math.round(left / live.applied.changesPerSecond));
}
