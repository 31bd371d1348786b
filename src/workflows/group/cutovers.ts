import { CancellationScope, condition, patched } from '@temporalio/workflow';
import { countDifferences } from '../../blockers.js';
import type { LagBound } from '../../cutover-plan.js';
import {
  type Group,
  type GroupBlocker,
  type GroupCutoverOutcome,
  groupMessages,
  type MemberRun,
} from '../../group.js';
import type { CutoverOutcome, CutoverReport } from '../../migration.js';
import { parseNamespace } from '../../names.js';
import { giveUpIfFull, PAUSE_SECONDS } from '../cutover-planner.js';
import { messageOf } from '../failure.js';
import { step } from '../steps.js';
import { groupBlockers } from './blockers.js';
import type { GroupCutoverRequest, GroupInbox } from './inbox.js';
import type { Teller } from './teller.js';
import { type GroupState, isToCutOver, type MemberState, namesKnown, runOf } from './state.js';

/** Whoever asks for a dry run waits for its answer: so long, and longer where many are asked. */
const LOOK_SECONDS = 60;
const LOOKS_PER_SECOND = 4;

/** What the cutovers of a group work on. */
export interface GroupCutoversContext {
  readonly group: Group;
  readonly state: GroupState;
  readonly inbox: GroupInbox;
  readonly teller: Teller;
  readonly changed: () => void;
}

/** Cuts over the collections of a group together, when somebody asks for it or it is time. */
export class GroupCutovers {
  readonly #context: GroupCutoversContext;
  #looks = 0;

  constructor(context: GroupCutoversContext) {
    this.#context = context;
  }

  /** Does what is asked for, again and again. Does not return: it is cancelled. */
  async follow(): Promise<never> {
    const { state, inbox } = this.#context;
    let pauseSeconds = PAUSE_SECONDS.first;
    for (;;) {
      const isDue = () => state.plan?.kind === 'auto' && state.phase === 'ready' && !state.paused;
      await condition(() => inbox.request !== undefined || isDue());
      const { request } = inbox;
      // Something may have happened since it was asked for.
      const blockers = groupBlockers(state, request?.leave ?? [], false);
      const outcome =
        blockers.length > 0 ? { refused: blockers } : await this.#cutOver(request ?? { force: [] });
      if (request) request.outcome = outcome;
      inbox.request = undefined;
      if ('refused' in outcome) inbox.refuse(outcome.refused);
      if (request) continue;
      if ('refused' in outcome && giveUpIfFull(state, inbox, outcome.refused)) continue;
      // What has left that phase has changed: it need not rest for what was in the way before.
      const hasLeft = patched('restWhileReady') ? () => state.phase !== 'ready' : () => false;
      await condition(() => inbox.request !== undefined || hasLeft(), `${pauseSeconds}s`);
      pauseSeconds = hasLeft()
        ? PAUSE_SECONDS.first
        : Math.min(PAUSE_SECONDS.longest, pauseSeconds * 2);
    }
  }

  /** Returns once the largest lag of all but those that are left is as wanted. */
  async untilLagIs(bound: LagBound, leave: readonly string[] = []): Promise<void> {
    const going = this.#going(leave);
    const runs = {
      databases: [...new Set(going.map((member) => parseNamespace(member.targetNamespace).db))],
      runIds: going.flatMap(runOf).map(({ runId }) => runId),
    };
    await step('untilLagsAre')(this.#context.group, runs, bound);
  }

  /** What the collections say against a cutover now. */
  async look({ force, leave = [] }: GroupCutoverRequest): Promise<readonly GroupBlocker[]> {
    this.#looks += 1;
    const members = this.#going(leave).flatMap(runOf);
    const timeLimit = 1_000 * (LOOK_SECONDS + members.length / LOOKS_PER_SECOND);
    const limits = {
      detail: this.#looks,
      overrides: { scheduleToCloseTimeout: timeLimit, startToCloseTimeout: timeLimit },
    } as const;
    try {
      return await step('dryRunTogether', limits)({ members, force });
    } catch (error) {
      const message = `the collections could not be asked: ${messageOf(error)}`;
      return [{ code: 'unknown', message }];
    }
  }

  async #cutOver(request: GroupCutoverRequest): Promise<Required<GroupCutoverRequest>['outcome']> {
    const { group, state, teller, changed } = this.#context;
    const going = this.#going(request.leave ?? []);
    const runs = going.flatMap(runOf);
    state.cutting = true;
    state.cutovers += 1;
    const cutover = state.cutovers;
    changed();
    const outcome = await this.#perform(request, runs).catch(
      (error: unknown): GroupCutoverOutcome => ({
        refused: [{ code: 'failed', message: messageOf(error) }],
        held: runs.map(({ namespace }) => namespace),
      }),
    );
    return CancellationScope.nonCancellable(async () => {
      if ('done' in outcome) {
        state.lastCutover = outcome.done;
        const reports = new Map(
          runs.map(({ namespace }, index) => [namespace, outcome.reports[index]]),
        );
        for (const member of going) {
          noteCutover(
            member,
            outcome.done.openedAt,
            reports.get(member.namespace),
            group.options.verify,
          );
        }
        if (this.#hasPlanEnded(request) && patched('forgetPlan')) delete state.plan;
      }
      await teller.send(
        runs.map((to, index) => {
          const own =
            'done' in outcome
              ? { done: outcome.reports[index] }
              : refusalFor(outcome, to, group.workflowId);
          return { to, name: groupMessages.outcome, payload: { cutover, outcome: own } };
        }),
      );
      delete state.cutting;
      changed();
      return 'done' in outcome ? { done: outcome.done } : { refused: outcome.refused };
    });
  }

  /**
   * Whether a cutover at a time has been carried out, or has nothing left to do. The other plans go on for
   * collections that follow later.
   */
  #hasPlanEnded({ notAfter }: GroupCutoverRequest): boolean {
    const { plan, members } = this.#context.state;
    // Only such a plan's own cutover has a latest moment.
    return plan?.kind === 'at' && (notAfter !== undefined || !members.some(isToCutOver));
  }

  async #perform(
    { force, notAfter }: GroupCutoverRequest,
    members: readonly MemberRun[],
  ): Promise<GroupCutoverOutcome> {
    const { group, state } = this.#context;
    return step('cutoverTogether')(group, {
      cutover: state.cutovers,
      members,
      force,
      ...(notAfter !== undefined && { notAfter }),
      ...(group.options.follow && { known: namesKnown(state) }),
    });
  }

  #going(leave: readonly string[]): MemberState[] {
    return this.#context.state.members.filter(
      (member) => isToCutOver(member) && !leave.includes(member.namespace),
    );
  }
}

function noteCutover(
  member: MemberState,
  openedAt: string,
  report: CutoverReport | undefined,
  verify: Group['options']['verify'],
): void {
  const differing = report?.differences ? countDifferences(report.differences) : 0;
  member.openedAt = openedAt;
  if (verify === 'full' && report?.lastPassAt === undefined) member.uncompared = true;
  if (differing > 0) member.differing = differing;
}

function refusalFor(
  { held = [] }: Extract<GroupCutoverOutcome, { readonly refused: unknown }>,
  { namespace }: MemberRun,
  groupId: string,
): Partial<CutoverOutcome> {
  return {
    refused: [{ code: 'group', message: `the cutover of ${groupId} was refused` }],
    ...(held.includes(namespace) && { mayBeHeld: true }),
  };
}
