import {
  CancellationScope,
  ChildWorkflowCancellationType,
  type ChildWorkflowHandle,
  ChildWorkflowFailure,
  condition,
  defineSignal,
  isCancellation,
  ParentClosePolicy,
  patched,
  startChild,
  TerminatedFailure,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { type FoundCollection, groupMessages, type Membership } from '../../group.js';
import { type MigrateCollectionsOptions, optionsFor } from '../../group-options.js';
import type { MigrateCollectionOptions } from '../../options.js';
import { workflowId } from '../../names.js';
import { shorten } from '../../shorten.js';
import { staticDetails, summaryOf } from '../../static-details.js';
import type { migrateCollection } from '../migrate-collection.js';
import { now } from '../identity.js';
import { Lanes } from '../lanes.js';
import type { MigrationStatus } from '../status.js';
import {
  type GroupState,
  isCopied,
  isUnderWay,
  type MemberReport,
  type MemberState,
  settingsOfGroup,
} from './state.js';
import { largestFirst, nextToCopy } from './turns.js';

/** Collections whose migrations look at both sides at the same time. */
const STARTING = 16;
/** How long smaller ones wait for one that looks at both sides; the group's own look has just been there. */
const PATIENCE = '20s';
const turnSignal = defineSignal(groupMessages.turn);

/** What the members of a group need of it. */
export interface MembersContext {
  readonly group: Membership;
  readonly options: MigrateCollectionsOptions;
  readonly state: GroupState;
  /** Called after each change of the state. */
  readonly changed: () => void;
}

/** Starts the migrations of a group's collections, and lets them copy some at a time, the largest first. */
export class Members {
  readonly #context: MembersContext;
  readonly #root = CancellationScope.current();
  readonly #handles = new Map<string, ChildWorkflowHandle<typeof migrateCollection>>();
  /** `order` of the last report of each. */
  readonly #reported = new Map<string, number>();

  constructor(context: MembersContext) {
    this.#context = context;
  }

  /** Takes up collections. Returns when their migrations have been started. */
  async add(found: readonly FoundCollection[]): Promise<void> {
    const { state, options, changed } = this.#context;
    const added = found.map(
      ({ namespace, targetNamespace, documents, bytes, openedAt }): MemberState => ({
        namespace,
        targetNamespace,
        documents,
        bytes,
        workflowId: workflowId(options.source, namespace),
        phase: openedAt === undefined ? 'preflight' : 'completed',
        ...(openedAt !== undefined && { openedAt, earlier: true }),
      }),
    );
    state.members = [...state.members, ...added];
    changed();
    await this.start(added.filter(isUnderWay));
  }

  /** Starts the migrations of these, a few at a time. Returns when the last one has looked at both sides. */
  async start(members: readonly MemberState[]): Promise<void> {
    const { state, changed } = this.#context;
    const ordered = members.toSorted(largestFirst);
    for (const member of ordered) {
      member.phase = 'preflight';
      delete member.failure;
      delete member.afterwards;
      delete member.turn;
      delete member.copyingSince;
      delete member.keepsPlace;
      delete member.runId;
      this.#handles.delete(member.namespace);
      this.#reported.delete(member.namespace);
    }
    const begin = async (index: number): Promise<void> => {
      const member = ordered[index];
      if (!member) return;
      if (state.aborting) {
        member.phase = 'aborted';
        changed();
        return;
      }
      // However it was asked for: what ends that must not end the migration of a collection.
      void this.#root.run(() => this.#follow(member));
      const hasLooked = () => member.phase !== 'preflight' || state.aborting !== undefined;
      if (patched('largestFirst')) {
        member.keepsPlace = true;
        if (await condition(hasLooked, PATIENCE)) return;
        // It may hang for ever.
        delete member.keepsPlace;
        changed();
      }
      await condition(hasLooked);
    };
    // An end lets those go that are started, and has to reach those that are not.
    await CancellationScope.nonCancellable(() => new Lanes(STARTING).run(ordered.length, begin));
  }

  /** Notes where a collection says that it is, unless it has said something newer. */
  report({ namespace, phase, order, needsTurn }: MemberReport): void {
    const member = this.#context.state.members.find((each) => each.namespace === namespace);
    if (!member || !isUnderWay(member)) return;
    if (order !== undefined) {
      if (order <= (this.#reported.get(namespace) ?? 0)) return;
      this.#reported.set(namespace, order);
    }
    // It is copied anew.
    if (phase === 'copying' && member.turn && isCopied(member)) member.copyingSince = now();
    member.phase = phase;
    // Others copy while it waits for people, and nothing of it has arrived. Whether it did may be told too late.
    if (phase === 'waiting' || (needsTurn && member.turn)) {
      delete member.turn;
      delete member.copyingSince;
      delete this.#context.state.copyingSince;
    }
    this.#context.changed();
  }

  /** Gives the next ones their turn, as far as there is room. */
  giveTurns(): void {
    const { state, options } = this.#context;
    if (state.aborting) return;
    const copying = state.members.filter(({ turn, phase }) => turn && phase === 'copying');
    const { parallelCopies } = settingsOfGroup(options, state);
    for (const member of nextToCopy(state.members, parallelCopies - copying.length)) {
      member.turn = true;
      member.copyingSince = now();
      state.copyingSince ??= member.copyingSince;
      // One that has ended meanwhile needs no turn.
      void this.#handles
        .get(member.namespace)
        ?.signal(turnSignal)
        .catch(() => undefined);
    }
  }

  /** Runs the migration of a collection, and notes how it has ended. */
  async #follow(member: MemberState): Promise<void> {
    const { group, options, state, changed } = this.#context;
    const { namespace, targetNamespace } = member;
    const { tuned } = state;
    const given = {
      ...optionsFor(options, { namespace, targetNamespace }),
      ...tunedOptions(tuned),
    };
    try {
      const handle = await startChild<typeof migrateCollection>('migrateCollection', {
        workflowId: member.workflowId,
        args: [given, group],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        staticSummary: summaryOf(`${options.source}:${namespace} to ${options.target}`),
        staticDetails: staticDetails(given, group.workflowId),
      });
      this.#handles.set(namespace, handle);
      member.runId = handle.firstExecutionRunId;
      changed();
      // What has come since it was asked for. One that has ended meanwhile needs none.
      if (state.tuned && state.tuned !== tuned) {
        await handle.signal<[object]>('tune', state.tuned).catch(() => undefined);
      }
      if (state.aborting) {
        await handle.signal<[object]>('abort', state.aborting).catch(() => undefined);
      }
      if (state.paused) await handle.signal('pause').catch(() => undefined);
      if (state.restoreRequested) await handle.signal('restore').catch(() => undefined);
      const ended = await handle.result();
      member.phase = ended.phase;
      if (ended.openedAt !== null) member.openedAt = ended.openedAt;
      const afterwards = toLookAt(ended);
      if (afterwards.length > 0) member.afterwards = afterwards;
    } catch (error) {
      member.phase = isCancellation(error) ? 'aborted' : 'failed';
      member.failure = failureOf(error, member.workflowId);
    }
    changed();
  }
}

/** What was tuned, as options of a start: a limit that was set back to none takes the group's own away. */
function tunedOptions(tuned: GroupState['tuned'] = {}): Partial<MigrateCollectionOptions> {
  return Object.fromEntries(
    Object.entries(tuned).map(([name, value]) => [name, value ?? undefined]),
  );
}

/** Of the result of a migration. */
type Ended = Pick<MigrationStatus, 'phase' | 'lateWrites' | 'left'> &
  Partial<Pick<MigrationStatus, 'afterwards'>>;

/** What an operator should know of a migration that has ended. A worker of before may have told less. */
function toLookAt({ phase, lateWrites, left, afterwards = [] }: Ended): string[] {
  const late = lateWrites?.count ?? 0;
  return [
    ...(late > 0
      ? [`${late} writes reached the source after the fence and are not at the target`]
      : []),
    ...(phase !== 'completed' && left && left.length > 0
      ? [`left at the target: ${left.join(', ')}`]
      : []),
    ...afterwards,
  ].map((each) => shorten(each));
}

function failureOf(error: unknown, id: string): string {
  if (error instanceof WorkflowExecutionAlreadyStartedError) {
    return `${id} is running already, outside of this group`;
  }
  const cause = error instanceof ChildWorkflowFailure ? error.cause : error;
  if (cause instanceof TerminatedFailure) return 'its workflow was terminated';
  return cause instanceof Error ? cause.message : String(cause);
}
