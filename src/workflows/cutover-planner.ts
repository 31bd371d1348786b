import {
  CancellationScope,
  condition,
  isCancellation,
  patched,
  workflowInfo,
} from '@temporalio/workflow';
import type { CutoverTerms, LagBound, LagCutover, TimedCutover } from '../cutover-plan.js';
import type { Blocker } from '../migration.js';
import { messageOf } from './failure.js';
import type { CutoverRequest } from './inbox.js';
import type { MigrationState } from './status.js';

/**
 * Between two tries of a cutover that comes by itself. It grows, because each try is written into the history, that of
 * a group with the names of all collections; and Temporal takes 2,000 updates of a collection's workflow in all, of
 * which each try of its group is one.
 */
export const PAUSE_SECONDS = { first: 5, longest: 3_600 };
/** Temporal ends a workflow at 51,200 events or 50 MB. */
const FULL = { events: 40_000, bytes: 40_000_000 };
/**
 * How long after its time a planned cutover may still begin, in minutes. One that came later, when
 * applications may write to the source again, would do harm that nobody is there to see.
 */
const LATEST_MINUTES = 5;

/** Where a planner leaves what it asks for. */
interface PlannedInbox {
  request: PlannedRequest | undefined;
  readonly blockers: (force: readonly string[], leave?: readonly string[]) => readonly Blocker[];
  readonly refuse: (blockers: readonly Blocker[]) => void;
}

interface PlannedRequest extends Pick<CutoverRequest, 'notAfter'>, CutoverTerms {
  outcome?: { readonly refused: readonly Blocker[] } | { readonly done: unknown };
}

/** What a planner works on. */
export interface PlannerContext {
  readonly state: Pick<MigrationState, 'phase' | 'paused' | 'plan'> & {
    readonly cutover?: unknown;
  };
  readonly inbox: PlannedInbox;
  /** Returns once the lag is as wanted; of a group, that of all but those that are left. */
  readonly untilLagIs: (bound: LagBound, leave?: readonly string[]) => Promise<void>;
  /** Of a group: whether all are ready but those that are left. */
  readonly isReady?: (leave?: readonly string[]) => boolean;
}

/** Asks for the cutover that is planned, when its time has come, as a person would. */
export class CutoverPlanner {
  readonly #context: PlannerContext;

  constructor(context: PlannerContext) {
    this.#context = context;
  }

  /** Follows whatever is planned. Does not return: it is cancelled. */
  async follow(): Promise<never> {
    const { state } = this.#context;
    for (;;) {
      // "auto" is the story's own.
      await condition(
        () => !state.cutover && state.plan !== undefined && state.plan.kind !== 'auto',
      );
      const { plan } = state;
      if (plan?.kind === 'at') await this.#cutOverAt(plan);
      if (plan?.kind === 'lag') await this.#cutOverUnderLag(plan);
    }
  }

  /** Returns when the cutover is done, given up, or another plan has come. */
  async #cutOverAt(plan: TimedCutover): Promise<void> {
    const due = Date.parse(plan.at);
    const notAfter = due + LATEST_MINUTES * 60_000;
    const isOver = () => this.#context.state.plan !== plan;
    if (due > Date.now() && (await condition(isOver, due - Date.now()))) return;
    let [blockers, pause]: [readonly Blocker[], number] = [[], PAUSE_SECONDS.first];
    while (Date.now() <= notAfter) {
      const refused = await this.#try(plan, notAfter);
      if (!refused || (await condition(isOver, `${pause}s`))) return;
      blockers = refused;
      pause *= 2;
    }
    if (!isOver()) this.#giveUp([...blockers, missed(plan.at)]);
  }

  /** Returns when the cutover is done, or another plan has come. */
  async #cutOverUnderLag(plan: LagCutover): Promise<void> {
    const { state, inbox } = this.#context;
    const isOver = () => state.plan !== plan;
    const { isReady = () => state.phase === 'ready' } = this.#context;
    const isDue = () => isReady(plan.leave) && !state.paused && !inbox.request;
    let pause = PAUSE_SECONDS.first;
    for (;;) {
      await condition(() => isOver() || isDue());
      if (isOver()) return;
      if (!(await this.#isLagLow(plan, () => isOver() || !isDue()))) continue;
      const refused = await this.#try(plan);
      if (refused && giveUpIfFull(state, inbox, refused)) return;
      if (!refused || (await condition(isOver, `${pause}s`))) return;
      pause = Math.min(PAUSE_SECONDS.longest, pause * 2);
    }
  }

  /** Whether the lag has become low before the wait was interrupted. */
  async #isLagLow(plan: LagCutover, isInterrupted: () => boolean): Promise<boolean> {
    const { whenLagUnder, forSeconds, leave } = plan;
    const scope = new CancellationScope();
    const outer = CancellationScope.current();
    const low = scope.run(() => this.#context.untilLagIs({ whenLagUnder, forSeconds }, leave));
    const interrupted = scope.run(() => condition(isInterrupted));
    try {
      return await Promise.race([low.then(() => true), interrupted.then(() => false)]);
    } catch (error) {
      if (outer.consideredCancelled || isCancellation(error)) throw error;
      const message = `the lag could not be read: ${messageOf(error)}`;
      this.#context.inbox.refuse([{ code: 'unknown', message }]);
      await condition(isInterrupted, `${PAUSE_SECONDS.longest}s`);
      return false;
    } finally {
      scope.cancel();
      await Promise.allSettled([low, interrupted]);
    }
  }

  /** @returns why it was refused, or nothing when it is done or another plan has come. */
  async #try(
    plan: TimedCutover | LagCutover,
    notAfter?: number,
  ): Promise<readonly Blocker[] | undefined> {
    const { state, inbox } = this.#context;
    await condition(() => state.plan !== plan || state.cutover !== undefined || !inbox.request);
    if (state.plan !== plan || state.cutover) return undefined;
    const { force, leave } = plan;
    const blockers = inbox.blockers(force, leave);
    if (blockers.length > 0) {
      inbox.refuse(blockers);
      return blockers;
    }
    const request: PlannedRequest = {
      force,
      ...(leave && { leave }),
      ...(notAfter !== undefined && { notAfter: new Date(notAfter).toISOString() }),
    };
    inbox.request = request;
    await condition(() => request.outcome !== undefined);
    return request.outcome && 'refused' in request.outcome ? request.outcome.refused : undefined;
  }

  #giveUp(blockers: readonly Blocker[]): void {
    const { state, inbox } = this.#context;
    delete state.plan;
    inbox.refuse(blockers);
  }
}

function missed(at: string): Blocker {
  return {
    code: 'missed',
    message:
      `the time of the cutover, ${at}, has passed by more than ${LATEST_MINUTES} minutes; it is not ` +
      'tried again by itself',
  };
}

/**
 * Gives up a plan that was tried so often that the migration would have no room for its end.
 * @param refused why it was refused now.
 * @returns whether it has.
 */
export function giveUpIfFull<Refused extends Blocker>(
  state: { plan?: unknown },
  inbox: { readonly refuse: (blockers: readonly (Refused | Blocker)[]) => void },
  refused: readonly Refused[],
): boolean {
  const { historyLength, historySize } = workflowInfo();
  const isFull = historyLength > FULL.events || historySize > FULL.bytes;
  if (!isFull || !patched('historyFull')) return false;
  delete state.plan;
  inbox.refuse([...refused, historyFull]);
  return true;
}

/** Why a cutover no longer comes by itself. */
const historyFull: Blocker = {
  code: 'missed',
  message:
    'it has been tried so often that the history of the workflow is nearly full; it is not tried again by itself',
};
