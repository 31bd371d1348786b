import type { Comparison, ComparisonProgress, ComparisonReport } from '../comparison.js';
import type { Problem } from './status.js';

/** Where a comparison stands. All but `comparing` are final. */
export type VerifyPhase = 'comparing' | 'completed' | 'aborted' | 'failed';

/** What the workflow itself knows. */
export interface VerifyState {
  phase: VerifyPhase;
  readonly startedAt: string;
  report?: ComparisonReport;
  failure?: string;
}

/** What Temporal says at the moment of the query. */
export interface VerifyLive {
  readonly asOf: string;
  /** From the last heartbeat; missing before the first one. */
  readonly progress?: ComparisonProgress;
  readonly problem?: Problem;
}

/** The answer of `verifyCollection` to the query `status`. */
export interface VerifyStatus {
  readonly phase: VerifyPhase;
  readonly source: string;
  readonly target: string;
  readonly namespace: string;
  readonly targetNamespace: string;
  readonly startedAt: string;
  /** What it is doing. */
  readonly doing: string | null;
  /** Documents and bytes read at the source, and at the target. */
  readonly compared: {
    readonly source: ComparisonReport['source'];
    readonly target: ComparisonReport['target'];
  };
  /** Documents at the source. */
  readonly total: number | null;
  readonly percent: number | null;
  readonly documentsPerSecond: number | null;
  readonly etaSeconds: number | null;
  /** Differences so far that have stood up to another look. */
  readonly differing: number;
  readonly missing: number;
  readonly extra: number;
  readonly unsettled: number;
  /** Documents that differed at first and are looked at again. */
  readonly open: number;
  readonly problem: Problem | null;
  readonly report: ComparisonReport | null;
  /** When Temporal was asked; with `error` it could not be. */
  readonly live: { readonly asOf?: string; readonly error?: string };
}

const NOTHING = { documents: 0, bytes: 0 } as const;

/** Puts together what the workflow and Temporal know. */
export function buildVerifyStatus(
  state: VerifyState,
  { options }: Pick<Comparison, 'options'>,
  live?: VerifyLive | { readonly error: string },
): VerifyStatus {
  const { source, target, namespace, targetNamespace } = options;
  const now = live && !('error' in live) ? live : undefined;
  const progress = now?.progress;
  const counts = state.report ?? progress;
  const done = counts?.source.documents ?? 0;
  const isOver = state.phase !== 'comparing';
  const total = state.report ? done : (progress?.total ?? null);
  return {
    phase: state.phase,
    source,
    target,
    namespace,
    targetNamespace,
    startedAt: state.startedAt,
    doing: isOver ? null : (progress?.doing ?? null),
    compared: { source: counts?.source ?? NOTHING, target: counts?.target ?? NOTHING },
    total,
    percent: state.report ? 100 : percentOf(done, total),
    documentsPerSecond: isOver ? null : (progress?.documentsPerSecond ?? null),
    etaSeconds: isOver ? null : etaOf(done, progress),
    differing: counts?.differing ?? 0,
    missing: counts?.missing ?? 0,
    extra: counts?.extra ?? 0,
    unsettled: counts?.unsettled ?? 0,
    open: isOver ? 0 : (progress?.open ?? 0),
    problem: problemOf(state, now),
    report: state.report ?? null,
    live: live ? ('error' in live ? { error: live.error } : { asOf: live.asOf }) : {},
  };
}

function problemOf({ phase, failure }: VerifyState, live: VerifyLive | undefined): Problem | null {
  if (failure !== undefined)
    return { what: failure, todo: 'mend what the message names, then start again' };
  return phase === 'comparing' ? (live?.problem ?? null) : null;
}

/** Below 100 until all is over: the collection may have grown since it was counted. */
function percentOf(done: number, total: number | null): number | null {
  if (total === null || total === 0) return null;
  return Math.min(99.9, Math.floor((done / total) * 1000) / 10);
}

function etaOf(done: number, progress: ComparisonProgress | undefined): number | null {
  if (!progress || progress.total === null || progress.documentsPerSecond === 0) return null;
  return Math.max(0, Math.round((progress.total - done) / progress.documentsPerSecond));
}
