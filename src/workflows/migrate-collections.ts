import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  isCancellation,
  patched,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import { type LagBound, planOf } from '../cutover-plan.js';
import { errorTypes } from '../errors.js';
import { type Group, groupMessages, identifyGroup } from '../group.js';
import { parseMigrateCollections } from '../group-options.js';
import { Attributes } from './attributes.js';
import { CutoverPlanner } from './cutover-planner.js';
import { acceptInput, bareFailure, failed, messageOf, payloadOf } from './failure.js';
import { GroupCounters } from './group/counters.js';
import { GroupCutovers } from './group/cutovers.js';
import { renderGroupDetails } from './group/details.js';
import { followNew } from './group/follow-new.js';
import { INTERNAL } from './group/member.js';
import { GroupInbox, type PayloadFor } from './group/inbox.js';
import { Members } from './group/members.js';
import { groupDescriptions } from './group/messages.js';
import { Teller } from './group/teller.js';
import {
  type GroupState,
  hasFailed,
  initialGroup,
  isReadyWithout,
  isUnderWay,
  type MemberReport,
  phaseOfGroup,
  runOf,
} from './group/state.js';
import { buildGroupStatus, type GroupStatus } from './group/status.js';
import { identityOfRun, now, startedAt } from './identity.js';
import { type GroupMark, markDetails, markStatus } from './live.js';
import { isFinal } from './phases.js';
import { step } from './steps.js';

const statusQuery = defineQuery<GroupStatus>('status');
const reportSignal = defineSignal<[MemberReport?]>(groupMessages.report);
/** After this an abort is told again to those that have not ended; each time goes into the history. */
const AGAIN_SECONDS = { first: 30, most: 3_600 } as const;

/**
 * Moves many collections together: a `migrateCollection` each, some of them copied at the same time, all of
 * them captured from the start and cut over at one fence. Signals and updates as `migrateCollection`, passed
 * on to all, and `retry`; query `status`.
 * @param input see `migrateCollectionsInput`.
 * @returns the final status.
 */
export async function migrateCollections(...input: unknown[]): Promise<GroupStatus> {
  const options = acceptInput(parseMigrateCollections(payloadOf(input), undefined, startedAt()));
  return new CollectionsMigration({ ...identityOfRun(), options }).run();
}

class CollectionsMigration {
  readonly #group: Group;
  readonly #state: GroupState;
  readonly #inbox: GroupInbox;
  readonly #members: Members;
  readonly #cutovers: GroupCutovers;
  readonly #teller = new Teller();
  readonly #counters: GroupCounters;
  #attributes: Attributes | undefined;
  #isShowing = false;
  /** What an abort ends: everything but the migrations of the collections, which end by themselves. */
  readonly #story = new CancellationScope();

  constructor(group: Group) {
    this.#group = group;
    const { options } = group;
    const state = initialGroup(now(), planOf(options.cutover));
    this.#state = state;
    this.#counters = new GroupCounters(options);
    const changed = () => this.#changed();
    const membership = { workflowId: group.workflowId };
    this.#members = new Members({ group: membership, options, state, changed });
    this.#inbox = new GroupInbox(state, {
      options,
      now,
      changed,
      tell: (name, payloadFor) => this.#tell(name, payloadFor),
      look: (request) => this.#cutovers.look(request),
      retry: (members) => void this.#members.start(members),
    });
    this.#cutovers = new GroupCutovers({
      group,
      state,
      inbox: this.#inbox,
      teller: this.#teller,
      changed,
    });
    setHandler(
      reportSignal,
      (report) => {
        if (report?.namespace && report.phase) this.#members.report(report);
      },
      { description: INTERNAL },
    );
    setHandler(statusQuery, () => markStatus(this.#mark(), this.#status()), {
      description: groupDescriptions.status,
    });
    changed();
  }

  async run(): Promise<GroupStatus> {
    const hasEnded = () => this.#state.members.every((member) => !isUnderWay(member));
    const failure = await this.#migrate(hasEnded).then(
      () => undefined,
      (error: unknown) => error,
    );
    await CancellationScope.nonCancellable(async () => {
      const known = this.#state.aborting;
      let seconds: number = AGAIN_SECONDS.first;
      const hearsOfAbort = patched('abortWakes');
      // One that was busy with a cutover has not taken it the first time.
      for (;;) {
        const { aborting } = this.#state;
        // Code before this did not hear of an abort that came after another end.
        const isToTell = aborting && (known || patched('lateAbort'));
        if (isToTell) await this.#tell('abort', () => aborting);
        // Where the workflow was cancelled they are so too, and clean up.
        const isNews = () => hearsOfAbort && this.#state.aborting !== aborting;
        await condition(() => hasEnded() || isNews(), seconds * 1_000);
        if (hasEnded()) break;
        const isHeard = isToTell || hearsOfAbort;
        if (isNews()) seconds = AGAIN_SECONDS.first;
        else if (isHeard) seconds = Math.min(AGAIN_SECONDS.most, 2 * seconds);
      }
      this.#end(failure);
      await condition(allHandlersFinished);
    });
    const isAborted = this.#state.aborting !== undefined;
    // A cancellation that came too late for the cutover.
    const isDone =
      isCancellation(failure) && this.#state.phase === 'completed' && patched('doneAllTheSame');
    if (failure !== undefined && !isAborted && !isDone) throw bareFailure(failure);
    if (this.#state.phase === 'failed') {
      throw failed(errorTypes.collectionsFailed, this.#state.failure ?? 'all collections failed');
    }
    return this.#status();
  }

  /** From the preflight until all collections have ended, or an abort. */
  async #migrate(hasEnded: () => boolean): Promise<void> {
    const beside: Promise<unknown>[] = [];
    try {
      await this.#story.run(async () => {
        const found = await step('resolveCollections')(this.#group);
        this.#state.leftOut = found.leftOut;
        this.#state.warnings = found.warnings;
        // A worker that does not know of it may have taken this step.
        if (found.searchable && patched('groupAttributes')) {
          this.#attributes = new Attributes(identifyGroup(this.#group.options), this.#state);
        }
        void this.#members.add(found.collections);
        const context = { group: this.#group, state: this.#state, members: this.#members };
        const planned = {
          state: this.#state,
          inbox: this.#inbox,
          untilLagIs: (bound: LagBound, leave?: readonly string[]) =>
            this.#cutovers.untilLagIs(bound, leave),
          isReady: (leave?: readonly string[]) => isReadyWithout(this.#state, leave),
        };
        beside.push(
          this.#cutovers.follow(),
          new CutoverPlanner(planned).follow(),
          followNew({ ...context, changed: () => this.#changed() }),
        );
        await Promise.race([condition(hasEnded), ...beside]);
      });
    } finally {
      this.#story.cancel();
      await Promise.allSettled(beside);
    }
  }

  #end(failure: unknown): void {
    const { members, aborting } = this.#state;
    const isCancelled = aborting !== undefined || isCancellation(failure);
    const isFailure = failure !== undefined && !isCancelled;
    if (isFailure) this.#state.failure = messageOf(failure);
    if (!isCancelled && members.length > 0 && members.every(hasFailed)) {
      const [first] = members;
      this.#state.failure = `${members.length} collections failed; ${first?.namespace}: ${first?.failure ?? 'it was ended'}`;
    }
    this.#state.phase = isFailure ? 'failed' : phaseOfGroup(this.#state, isCancelled);
    this.#counters.ended(this.#state.phase);
    this.#changed();
  }

  /** Sends a signal to the migrations of all collections that are under way. @returns how many had it. */
  async #tell(name: string, payloadFor: PayloadFor = () => undefined): Promise<number> {
    const letters = this.#state.members.filter(isUnderWay).flatMap((member) => {
      const payload = payloadFor(member);
      if (payload === null) return [];
      return runOf(member).map((to) => ({ to, name, ...(payload && { payload }) }));
    });
    return this.#teller.send(letters);
  }

  /** After every change of the state. */
  #changed(): void {
    const { phase, aborting, members } = this.#state;
    if (!isFinal(phase) && members.length > 0) this.#state.phase = phaseOfGroup(this.#state);
    this.#attributes?.showPhase();
    this.#members.giveTurns();
    this.#counters.look(this.#state);
    if (aborting) this.#story.cancel();
    this.#showDetails();
  }

  /** Once, after all that has come at the same time: with many collections the page takes its time. */
  #showDetails(): void {
    if (this.#isShowing) return;
    this.#isShowing = true;
    void Promise.resolve().then(() => {
      this.#isShowing = false;
      setCurrentDetails(markDetails(this.#mark(), renderGroupDetails(this.#status())));
    });
  }

  #mark(): GroupMark | undefined {
    if (isFinal(this.#state.phase)) return undefined;
    return { $live: { kind: 'group', ...this.#group }, state: this.#state };
  }

  #status(): GroupStatus {
    return buildGroupStatus(this.#state, this.#group);
  }
}
