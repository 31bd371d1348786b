import { CancellationScope, condition } from '@temporalio/workflow';
import {
  type Group,
  type GroupBlocker,
  type GroupCutoverOutcome,
  groupMessages,
} from '../../group.js';
import { PAUSE_SECONDS } from '../cutover-planner.js';
import { messageOf } from '../failure.js';
import { step } from '../steps.js';
import type { GroupCutoverRequest, GroupInbox } from './inbox.js';
import {
  type GroupState,
  isUnderWay,
  type MemberState,
  namesKnown,
  phaseOfGroup,
  runOf,
} from './state.js';

/** Whoever asks for a dry run waits for its answer. */
const LOOK_LIMITS = { scheduleToCloseTimeout: '1 minute' } as const;

/** What the cutovers of a group work on. */
export interface GroupCutoversContext {
  readonly group: Group;
  readonly state: GroupState;
  readonly inbox: GroupInbox;
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
      const blockers = request ? [] : inbox.blockers([]);
      const outcome =
        blockers.length > 0 ? { refused: blockers } : await this.#cutOver(request ?? { force: [] });
      if (request) request.outcome = outcome;
      inbox.request = undefined;
      if ('refused' in outcome) inbox.refuse(outcome.refused);
      if (request) continue;
      await condition(() => inbox.request !== undefined, `${pauseSeconds}s`);
      pauseSeconds = Math.min(PAUSE_SECONDS.longest, pauseSeconds * 2);
    }
  }

  /** What the collections say against a cutover now. */
  async look({ force, leave = [] }: GroupCutoverRequest): Promise<readonly GroupBlocker[]> {
    this.#looks += 1;
    const limits = { detail: this.#looks, overrides: LOOK_LIMITS };
    const members = this.#going(leave).flatMap(runOf);
    try {
      return await step('dryRunTogether', limits)({ members, force });
    } catch (error) {
      const message = `the collections could not be asked: ${messageOf(error)}`;
      return [{ code: 'unknown', message }];
    }
  }

  async #cutOver(request: GroupCutoverRequest): Promise<Required<GroupCutoverRequest>['outcome']> {
    const { group, state, changed } = this.#context;
    const going = this.#going(request.leave ?? []);
    state.phase = 'cuttingOver';
    changed();
    const outcome = await this.#perform(request, going).catch(
      (error: unknown): GroupCutoverOutcome => ({
        refused: [{ code: 'failed', message: messageOf(error) }],
      }),
    );
    return CancellationScope.nonCancellable(async () => {
      const letters = going.flatMap((member, index) =>
        runOf(member).map((to) => ({
          to,
          name: groupMessages.outcome,
          payload: outcomeFor(outcome, index, group.workflowId),
        })),
      );
      await step('tellMembers')(letters);
      if ('done' in outcome) {
        state.cutover = outcome.done;
        for (const member of going) member.openedAt = outcome.done.openedAt;
      }
      state.phase = phaseOfGroup(state);
      changed();
      return 'done' in outcome ? { done: outcome.done } : outcome;
    });
  }

  async #perform(
    { force, notAfter }: GroupCutoverRequest,
    going: readonly MemberState[],
  ): Promise<GroupCutoverOutcome> {
    const { group, state } = this.#context;
    const known = namesKnown(state);
    return step('cutoverTogether')(group, {
      members: going.flatMap(runOf),
      force,
      ...(notAfter !== undefined && { notAfter }),
      ...(group.options.follow && { known }),
    });
  }

  #going(leave: readonly string[]): MemberState[] {
    return this.#context.state.members.filter(
      (member) => isUnderWay(member) && !leave.includes(member.namespace),
    );
  }
}

/** How it has ended for one of the collections that were cut over together. */
function outcomeFor(outcome: GroupCutoverOutcome, index: number, groupId: string): object {
  if ('refused' in outcome) {
    return { refused: [{ code: 'group', message: `the cutover of ${groupId} was refused` }] };
  }
  return { done: outcome.reports[index] };
}
