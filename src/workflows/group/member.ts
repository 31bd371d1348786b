import {
  condition,
  defineSignal,
  defineUpdate,
  getExternalWorkflowHandle,
  setHandler,
} from '@temporalio/workflow';
import { groupMessages, type Membership } from '../../group.js';
import type { CutoverOutcome, Migration } from '../../migration.js';
import { refused } from '../failure.js';
import type { CutoverRequest, Inbox } from '../inbox.js';
import type { MigrationState } from '../status.js';

/** What a member needs of its own migration. */
export interface MemberContext {
  readonly namespace: string;
  readonly inbox: Inbox;
  readonly state: MigrationState;
  /** What a cutover is given, once the target follows the source. */
  readonly followed: () => Migration | undefined;
}

/** Phases that a group wants to know of; the end it sees by itself. */
const told: readonly MigrationState['phase'][] = ['copying', 'waiting', 'replaying', 'ready'];

/** A collection's side of what it has to do with its group. */
export class Member {
  readonly #group: Membership;
  readonly #context: MemberContext;
  #mayCopy = false;
  #outcome: CutoverOutcome | undefined;
  #reported: MigrationState['phase'] | undefined;

  constructor(group: Membership, context: MemberContext) {
    this.#group = group;
    this.#context = context;
    setHandler(defineSignal(groupMessages.turn), () => {
      this.#mayCopy = true;
    });
    setHandler(defineSignal<[CutoverOutcome]>(groupMessages.outcome), (outcome) => {
      if (this.#isStandingBy()) this.#outcome = outcome;
    });
    setHandler(
      defineUpdate<Migration, [{ force: readonly string[] }]>(groupMessages.cutover),
      ({ force }) => this.#standBy(force),
      {
        validator: ({ force }) => {
          if (this.#isStandingBy()) return;
          const blockers = this.#context.inbox.blockers(force);
          if (blockers.length > 0) throw refused(blockers);
        },
      },
    );
  }

  /** Returns when it is its turn to be copied; later copies of the same collection do not wait. */
  async mayCopy(): Promise<void> {
    await condition(() => this.#mayCopy);
  }

  /** Tells the group where this collection is, when that has changed. */
  report(): void {
    const { phase } = this.#context.state;
    if (phase === this.#reported || !told.includes(phase)) return;
    this.#reported = phase;
    const { namespace } = this.#context;
    const group = getExternalWorkflowHandle(this.#group.workflowId);
    // A group that has ended has cancelled this migration too, or wants to know nothing any more.
    void group.signal(groupMessages.report, { namespace, phase }).catch(() => undefined);
  }

  /** From now on nothing else is done here until the group says how its cutover has ended. */
  async #standBy(force: readonly string[]): Promise<Migration> {
    const { inbox, followed } = this.#context;
    const migration = followed();
    if (!migration) throw refused([{ code: 'copy', message: 'the copy is not finished' }]);
    if (!this.#isStandingBy()) {
      this.#outcome = undefined;
      inbox.request = { force, ofGroup: () => this.#ended() };
    }
    return migration;
  }

  #isStandingBy(): boolean {
    const { request }: { request: CutoverRequest | undefined } = this.#context.inbox;
    return request?.ofGroup !== undefined;
  }

  async #ended(): Promise<CutoverOutcome> {
    await condition(() => this.#outcome !== undefined);
    const outcome = this.#outcome;
    if (!outcome) throw new Error('the cutover of the group has not ended');
    return outcome;
  }
}
