import {
  CancellationScope,
  condition,
  defineSignal,
  defineUpdate,
  getExternalWorkflowHandle,
  setHandler,
} from '@temporalio/workflow';
import { groupMessages, type Membership } from '../../group.js';
import type { Blocker, CutoverOutcome, CutoverReport, Migration } from '../../migration.js';
import type { JoinRequest } from '../../member-calls.js';
import { invalid, refused } from '../failure.js';
import type { Inbox } from '../inbox.js';
import type { MigrationState } from '../status.js';
import type { MemberReport } from './state.js';

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
/** What the UI shows beside these in its forms. */
export const INTERNAL = 'Between a group and its collections: not for people.';
const TOO_LATE = 'the cutover that it is asked for has ended';
/** How long an end waits for the cutover that is under way; a group that was terminated says nothing any more. */
const SETTLE_PATIENCE = '5 minutes';

/** A cutover of the group, from the moment in which this collection stands by for it. */
interface Joined {
  readonly cutover: number;
  outcome?: CutoverOutcome;
}

/** A collection's side of what it has to do with its group. */
export class Member {
  readonly #group: Membership;
  readonly #context: MemberContext;
  #mayCopy = false;
  #joined: Joined | undefined;
  /** Cutovers that have ended: who still asks to stand by for one of them has come too late, and nobody would let it go. */
  readonly #ended = new Set<number>();
  #reported: MigrationState['phase'] | undefined;
  #order = 0;

  constructor(group: Membership, context: MemberContext) {
    this.#group = group;
    this.#context = context;
    setHandler(
      defineSignal(groupMessages.turn),
      () => {
        this.#mayCopy = true;
      },
      { description: INTERNAL },
    );
    setHandler(
      defineSignal<[{ cutover: number; outcome: CutoverOutcome }?]>(groupMessages.outcome),
      (letter) => {
        // Anybody can send anything here.
        if (!letter?.outcome) return;
        this.#ended.add(letter.cutover);
        if (this.#joined?.cutover !== letter.cutover) return;
        this.#joined.outcome ??= letter.outcome;
      },
      { description: INTERNAL },
    );
    setHandler(
      defineUpdate<Migration, [JoinRequest]>(groupMessages.cutover),
      ({ cutover, force }) => this.#standBy(cutover, force),
      {
        description: INTERNAL,
        validator: (request: Partial<JoinRequest> | undefined) => {
          const { cutover, force } = request ?? {};
          if (cutover === undefined || !Array.isArray(force)) throw invalid(INTERNAL);
          if (this.#ended.has(cutover)) throw refused([{ code: 'ended', message: TOO_LATE }]);
          if (this.#isStandingByFor(cutover)) return;
          const blockers = this.#blockers(force);
          if (blockers.length > 0) throw refused(blockers);
        },
      },
    );
  }

  /** Whether the cutover of the group is under way, for all that is known here. */
  get isStandingBy(): boolean {
    return this.#joined !== undefined && this.#joined.outcome === undefined;
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
    // Others copy while it waits; it has its turn again when it is told to go on.
    if (phase === 'waiting') this.#mayCopy = false;
    // Reports may overtake each other. The time, too, so that those of a run that is reset or begun anew are newer.
    this.#order = Math.max(this.#order + 1, Date.now());
    const report: MemberReport = {
      namespace: this.#context.namespace,
      phase,
      order: this.#order,
      ...(phase === 'copying' && !this.#mayCopy && { needsTurn: true }),
    };
    const group = getExternalWorkflowHandle(this.#group.workflowId);
    // A group that has ended has cancelled this migration too, or wants to know nothing any more.
    void group.signal<[MemberReport]>(groupMessages.report, report).catch(() => undefined);
  }

  /**
   * Returns when no cutover of the group works on this collection any more, or the group is silent for long.
   * @returns its report, where it was done.
   */
  async settle(): Promise<CutoverReport | undefined> {
    await condition(() => !this.isStandingBy, SETTLE_PATIENCE);
    const outcome = this.#joined?.outcome;
    return outcome && 'done' in outcome ? outcome.done : undefined;
  }

  #blockers(force: readonly string[]): Blocker[] {
    const blockers = this.#context.inbox.blockers(force);
    if (this.#joined === undefined || blockers.some(({ code }) => code === 'cuttingOver')) {
      return blockers;
    }
    return [...blockers, { code: 'cuttingOver', message: 'a cutover has just ended' }];
  }

  /** From now on nothing else is done here until the group says how its cutover has ended. */
  async #standBy(cutover: number, force: readonly string[]): Promise<Migration> {
    const { inbox, followed } = this.#context;
    const migration = followed();
    if (!migration) throw refused([{ code: 'copy', message: 'the copy is not finished' }]);
    if (!this.#isStandingByFor(cutover)) {
      this.#joined = { cutover };
      inbox.request = { force, ofGroup: () => this.#outcome() };
    }
    return migration;
  }

  #isStandingByFor(cutover: number): boolean {
    return this.isStandingBy && this.#joined?.cutover === cutover;
  }

  async #outcome(): Promise<CutoverOutcome> {
    // An end of the migration waits in `settle`.
    await CancellationScope.nonCancellable(() =>
      condition(() => this.#joined?.outcome !== undefined),
    );
    const outcome = this.#joined?.outcome;
    if (!outcome) throw refused([{ code: 'unknown', message: 'the group has said nothing' }]);
    if ('refused' in outcome) this.#joined = undefined;
    return outcome;
  }
}
