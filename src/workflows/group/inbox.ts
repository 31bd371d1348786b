import {
  CancellationScope,
  condition,
  defineSignal,
  defineUpdate,
  patched,
  setHandler,
} from '@temporalio/workflow';
import { isAboutPlan, planOf, timeProblem } from '../../cutover-plan.js';
import type { GroupBlocker, GroupCutoverReport } from '../../group.js';
import {
  groupCutoverInput,
  type GroupCutoverPayload,
  groupTuneInput,
  type MigrateCollectionsOptions,
  retryInput,
} from '../../group-options.js';
import { didYouMean } from '../../nearest.js';
import { abortInput, emptyInput, parseInput } from '../../options.js';
import { firstOf } from '../../shorten.js';
import { type Tuning, tuningFor, tuningProblem } from '../../tuning.js';
import { acceptInput, invalid, payloadOf, refused, sentAs } from '../failure.js';
import { isFinal } from '../phases.js';
import { DRY_RUN_SIGNAL, noteRejected } from '../rejected.js';
import { groupBlockers } from './blockers.js';
import { plannedOfGroup } from './plan.js';
import { groupDescriptions, type GroupMessageName, groupMessageNames } from './messages.js';
import {
  type GroupState,
  hasFailed,
  isCopied,
  isToCutOver,
  isUnderWay,
  type MemberState,
  settingsOfGroup,
} from './state.js';
import { listenForUnknown } from '../unknown.js';

/** Names in one message. */
const SHOWN = 5;

/** A cutover of a group that somebody asked for. */
export interface GroupCutoverRequest {
  readonly force: readonly string[];
  readonly leave?: readonly string[];
  /** ISO 8601; it may not begin later. */
  readonly notAfter?: string;
  outcome?: { readonly refused: readonly GroupBlocker[] } | { readonly done: GroupCutoverReport };
}

/** What a signal holds for one collection. */
export type PayloadFor = (member: MemberState) => object | null | undefined;

/** What an inbox needs of its group. */
export interface GroupInboxHooks {
  readonly options: MigrateCollectionsOptions;
  readonly now: () => string;
  /** Called after each message that changed the state. */
  readonly changed: () => void;
  /**
   * Sends a signal to the migrations of all collections that are under way.
   * @param payloadFor one of them; `null` is none for it, and no signal.
   * @returns how many had it.
   */
  readonly tell: (name: string, payloadFor?: PayloadFor) => Promise<number>;
  /** What the collections say against a cutover now. */
  readonly look: (request: GroupCutoverRequest) => Promise<readonly GroupBlocker[]>;
  readonly retry: (members: readonly MemberState[]) => void;
}

const schemas = {
  restore: emptyInput,
  cutover: groupCutoverInput,
  pause: emptyInput,
  resume: emptyInput,
  tune: groupTuneInput,
  retry: retryInput,
  abort: abortInput,
} as const;

/** What code before this said of a signal that it did not take. */
function newlyTaken(name: GroupMessageName, payload: unknown): string | undefined {
  const { parallelCopies, leave, ...given } = (payload ?? {}) as Partial<GroupCutoverPayload> & {
    readonly parallelCopies?: number;
  };
  if (name === 'tune' && parallelCopies !== undefined) return 'parallelCopies cannot be tuned';
  const isPlanned = name === 'cutover' && (leave ?? []).length > 0 && isAboutPlan(given);
  return isPlanned ? '"leave" is for a cutover now, not for a plan' : undefined;
}

function isDryRun(payload: unknown): boolean {
  return acceptInput(parseInput(groupCutoverInput, payload, 'payload of cutover')).dryRun;
}

/** Signals and updates of a group. What concerns its collections is passed on to all of them. */
export class GroupInbox {
  readonly #state: GroupState;
  readonly #hooks: GroupInboxHooks;
  /** The cutover to do next. */
  request: GroupCutoverRequest | undefined;

  constructor(state: GroupState, hooks: GroupInboxHooks) {
    this.#state = state;
    this.#hooks = hooks;
    this.#listen('restore', () => this.#pass('restore', () => (state.restoreRequested = true)));
    this.#listen('pause', () => this.#pass('pause', () => (state.paused = true)));
    this.#listen('resume', () => this.#pass('resume', () => (state.paused = false)));
    this.#listen('tune', (payload) => this.#tune(payload));
    this.#listen('retry', (payload) => this.#retry(payload));
    this.#listen('abort', (payload) => this.#abort(payload));
    this.#listen('cutover', (payload) => this.#cutover(payload));
    listenForUnknown(groupMessageNames, (message) => this.#reject(message));
  }

  /** What speaks against a cutover by what is known here. */
  blockers(_force: readonly string[], leave: readonly string[] = []): GroupBlocker[] {
    const isBusy = this.request !== undefined || this.#state.cutting === true;
    return groupBlockers(this.#state, leave, isBusy);
  }

  /** Records why a cutover was refused. */
  refuse(blockers: readonly GroupBlocker[]): void {
    this.#state.refused = { at: this.#hooks.now(), blockers };
    this.#hooks.changed();
  }

  #listen(name: GroupMessageName, handle: (payload: unknown) => Promise<object> | object): void {
    const description = groupDescriptions[name];
    setHandler(
      defineSignal<[unknown?]>(name),
      async (...given: unknown[]) => {
        const payload = payloadOf(given);
        const error = this.#check(name, payload);
        if (error !== undefined) return this.#reject(error);
        // As updates they were refused by code before this as well, and leave nothing in the history then.
        const said = newlyTaken(name, payload);
        if (said !== undefined && !patched('takesMore')) return this.#reject(said);
        if (name === 'cutover' && isDryRun(payload) && patched('noDryRunSignal')) {
          return this.#reject(DRY_RUN_SIGNAL);
        }
        const blockers = name === 'cutover' ? this.#cutoverBlockers(payload) : [];
        if (blockers.length > 0) return this.refuse(blockers);
        // What an update would answer, status shows.
        await Promise.resolve(handle(payload)).catch(() => undefined);
      },
      { description },
    );
    setHandler(
      defineUpdate<object, [unknown?]>(name),
      async (...given: unknown[]) => handle(payloadOf(given)),
      {
        description,
        validator: (...given: unknown[]) => {
          const payload = sentAs(given);
          const error = this.#check(name, payload);
          if (error !== undefined) throw invalid(error);
          const blockers = name === 'cutover' ? this.#cutoverBlockers(payload) : [];
          if (blockers.length > 0) throw refused(blockers);
        },
      },
    );
  }

  async #pass(name: string, note: () => unknown, payloadFor?: PayloadFor): Promise<object> {
    note();
    this.#hooks.changed();
    return { collections: await this.#hooks.tell(name, payloadFor) };
  }

  async #tune(payload: unknown): Promise<object> {
    const given = acceptInput(parseInput(groupTuneInput, payload, 'payload of tune'));
    const { parallelCopies, ...tuning } = given;
    const isForEach = Object.keys(tuning).length > 0;
    const told = await this.#pass(
      'tune',
      () => {
        if (parallelCopies !== undefined) this.#state.parallelCopies = parallelCopies;
        if (isForEach) this.#state.tuned = { ...this.#state.tuned, ...tuning };
      },
      (member) => {
        if (!isForEach) return null;
        // Code before this kept settings of the copy from one that is copied, and may begin it anew.
        return patched('tuneAll') ? tuning : tuningFor(tuning, isCopied(member));
      },
    );
    return { ...settingsOfGroup(this.#hooks.options, this.#state), ...told };
  }

  #retry(payload: unknown): object {
    const again = this.#failed(payload);
    this.#hooks.retry(again);
    this.#hooks.changed();
    return { retrying: again.map(({ namespace }) => namespace) };
  }

  #failed(payload: unknown): MemberState[] {
    const { namespaces } = acceptInput(parseInput(retryInput, payload, 'payload of retry'));
    return this.#state.members.filter(
      (member) => hasFailed(member) && (namespaces?.includes(member.namespace) ?? true),
    );
  }

  #abort(payload: unknown): object {
    const { dropTarget, reason } = acceptInput(parseInput(abortInput, payload, 'payload of abort'));
    this.#state.aborting = { dropTarget, ...(reason !== undefined && { reason }) };
    this.#hooks.changed();
    return { aborting: true, dropTarget };
  }

  async #cutover(payload: unknown): Promise<object> {
    const given = acceptInput(parseInput(groupCutoverInput, payload, 'payload of cutover'));
    const { force, leave, dryRun } = given;
    if (isAboutPlan(given)) {
      const plan = planOf(given, { force, leave });
      if (plan) this.#state.plan = plan;
      else delete this.#state.plan;
      this.#hooks.changed();
      return plannedOfGroup(this.#state, this.#hooks.options);
    }
    if (dryRun) {
      const known = this.blockers(force, leave);
      const blockers = known.length > 0 ? known : [...(await this.#hooks.look({ force, leave }))];
      return { mayCutOver: blockers.length === 0, blockers };
    }
    const request: GroupCutoverRequest = { force, leave };
    this.request = request;
    // An abort may end it before anybody has looked at it.
    // So may a cancellation, which may come too late for it: it is answered as it ends.
    const isOver = () => request.outcome !== undefined || isFinal(this.#state.phase);
    await (patched('groupCutoverAnswer')
      ? CancellationScope.nonCancellable(() => condition(isOver))
      : condition(isOver));
    const { outcome } = request;
    if (outcome && 'done' in outcome) return outcome.done;
    throw refused(outcome?.refused ?? this.blockers(force, leave));
  }

  /** Of a plan, only what will not pass by itself counts. */
  #cutoverBlockers(payload: unknown): GroupBlocker[] {
    const given = acceptInput(parseInput(groupCutoverInput, payload, 'payload of cutover'));
    if (given.dryRun) return [];
    const blockers = this.blockers(given.force, given.leave);
    if (!isAboutPlan(given)) return blockers;
    return blockers.filter(({ code }) => ['ended', 'aborting', 'cuttingOver'].includes(code));
  }

  #check(name: GroupMessageName, payload: unknown): string | undefined {
    const parsed = parseInput(schemas[name], payload, `payload of ${name}`);
    if ('error' in parsed) return parsed.error;
    const { members, aborting } = this.#state;
    const known = new Set(members.map(({ namespace }) => namespace));
    const {
      leave = [],
      namespaces = [],
      at,
    } = parsed.value as Partial<GroupCutoverPayload> & {
      readonly namespaces?: readonly string[];
    };
    const unknown = [...leave, ...namespaces].find((namespace) => !known.has(namespace));
    if (unknown !== undefined) {
      return `Invalid payload of ${name}: "${unknown}"${didYouMean(unknown, known)} is no collection of this migration`;
    }
    const problem = name === 'cutover' ? timeProblem(at, Date.now()) : undefined;
    if (problem !== undefined) return `Invalid payload of cutover: "at": ${problem}`;
    if (name === 'tune') {
      const useless = tuningProblem(parsed.value as Tuning, this.#hooks.options, false);
      if (useless !== undefined) return `Invalid payload of tune: ${useless}`;
    }
    // The last one has ended, and so does the group.
    if (name === 'retry' && members.length > 0 && !members.some(isUnderWay)) {
      return 'retry comes too late: no collection is under way any more, and the migration ends; start it again';
    }
    if (name === 'retry' && this.#failed(payload).length === 0) {
      const failed = members.filter(hasFailed).map(({ namespace }) => namespace);
      const why =
        failed.length === 0
          ? 'no collection has ended without a cutover'
          : `${firstOf(namespaces, SHOWN)} has not ended without a cutover; those that have: ${firstOf(failed, SHOWN)}`;
      return `retry: there is nothing to begin anew, ${why}`;
    }
    if (name === 'abort' && members.length > 0 && !members.some(isToCutOver)) {
      return 'abort comes too late: the cutover is done';
    }
    if (aborting && name !== 'cutover') {
      return `${name} comes too late: the migration is being aborted`;
    }
    return undefined;
  }

  #reject(message: string): void {
    noteRejected(this.#state, { at: this.#hooks.now(), message });
    this.#hooks.changed();
  }
}
