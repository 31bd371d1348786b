import { CancellationScope, condition, log, patched, setHandler } from '@temporalio/workflow';
import type { z } from 'zod';
import { isForced } from '../blockers.js';
import { isAboutPlan, planOf, timeProblem } from '../cutover-plan.js';
import type { Blocker, CutoverOutcome, CutoverReport, DryRun } from '../migration.js';
import {
  abortInput,
  cutoverInput,
  type CutoverPayload,
  emptyInput,
  type MigrateCollectionOptions,
  parseInput,
} from '../options.js';
import { settingsOf, tuneInput, type Tuning, tuningProblem } from '../tuning.js';
import { stateBlockers } from './blockers.js';
import { isFinal } from './phases.js';
import { acceptInput, invalid, payloadOf, refused, sentAs } from './failure.js';
import { descriptions, type MessageName, signals, updates } from './messages.js';
import { DRY_RUN_SIGNAL, noteRejected } from './rejected.js';
import { askRestart, restartProblem } from './restart.js';
import { type MigrationState, plannedOf } from './status.js';
import { listenForUnknown } from './unknown.js';

/** A cutover that somebody asked for. */
export interface CutoverRequest {
  readonly force: readonly string[];
  /** ISO 8601; the cutover may not begin later. */
  readonly notAfter?: string;
  /** How it ends, where a group does it for all its collections. */
  readonly ofGroup?: () => Promise<CutoverOutcome>;
  outcome?: CutoverOutcome;
}

/** What an inbox needs of its migration. */
export interface InboxHooks {
  readonly options: MigrateCollectionOptions;
  readonly now: () => string;
  /** Whether the migration is about to end, with its clean-up. */
  readonly isEnding: () => boolean;
  /** Called after each message that changed the state. */
  readonly changed: () => void;
  /** What the servers say against a cutover now. */
  readonly look: (force: readonly string[]) => Promise<readonly Blocker[]>;
  /** Workflow id of the group that it belongs to. */
  readonly group?: string | undefined;
  /** Whether a cutover of that group is under way. */
  readonly isStandingBy: () => boolean;
}

const schemas = {
  restore: emptyInput,
  cutover: cutoverInput,
  pause: emptyInput,
  resume: emptyInput,
  tune: tuneInput,
  restart: emptyInput,
  abort: abortInput,
} as const satisfies Record<MessageName, z.ZodType>;

/**
 * Messages that code before them took for mistakes: what they lead to is not in histories of that time.
 */
const later: readonly MessageName[] = ['tune', 'restart'];

/**
 * Signals and updates of a migration. They only change the state and leave requests; the story reads
 * both. Nothing here throws anything but ApplicationFailure: a plain error in a handler would hang
 * the workflow.
 */
export class Inbox {
  readonly #state: MigrationState;
  readonly #hooks: InboxHooks;
  /** Somebody has sent `restore`. */
  restoreRequested = false;
  /** The cutover to do next. */
  request: CutoverRequest | undefined;

  constructor(state: MigrationState, hooks: InboxHooks) {
    this.#state = state;
    this.#hooks = hooks;
    this.#listen('restore', () => this.#restore());
    this.#listen('pause', () => this.#pause(true));
    this.#listen('resume', () => this.#pause(false));
    this.#listen('tune', (payload) => this.#tune(payload));
    this.#listen('restart', (payload) => this.#restart(payload));
    this.#listen('abort', (payload) => this.#abort(payload));
    this.#listenCutover();
    listenForUnknown(Object.keys(signals), (message) => this.#reject(message));
  }

  /** Records why a cutover was refused. */
  refuse(blockers: readonly Blocker[]): void {
    this.#state.refused = { at: this.#hooks.now(), blockers };
    this.#hooks.changed();
  }

  #restore(): object {
    this.restoreRequested = true;
    return { restore: 'requested' };
  }

  #pause(paused: boolean): object {
    this.#state.paused = paused;
    return { paused };
  }

  #tune(payload: unknown): object {
    const tuning = acceptInput(parseInput(tuneInput, payload, 'payload of tune'));
    this.#state.tuned = { ...this.#state.tuned, ...tuning };
    return settingsOf(this.#hooks.options, this.#state.tuned);
  }

  #restart(payload: unknown): object {
    const { reason } = acceptInput(parseInput(emptyInput, payload, 'payload of restart'));
    const asked = { at: this.#hooks.now(), ...(reason !== undefined && { reason }) };
    askRestart(this.#state, this.#hooks.options, asked);
    return { restarting: true, ...this.#state.restarts };
  }

  #abort(payload: unknown): object {
    const given = acceptInput(parseInput(abortInput, payload, 'payload of abort'));
    const { dropTarget, reason } = given;
    this.#state.aborting = { dropTarget, ...(reason !== undefined && { reason }) };
    return { aborting: true, dropTarget };
  }

  #listen(name: Exclude<MessageName, 'cutover'>, handle: (payload: unknown) => object): void {
    const description = descriptions[name];
    setHandler(
      signals[name],
      (...given: unknown[]) => {
        const payload = payloadOf(given);
        const isUnknown = later.includes(name) && !patched(name);
        const error = isUnknown
          ? `unknown signal "${name}"`
          : this.#check(name, payload, this.#mayNote(name));
        if (error) return this.#reject(error);
        handle(payload);
        this.#hooks.changed();
      },
      { description },
    );
    setHandler(
      updates[name],
      (...given: unknown[]) => {
        const answer = handle(payloadOf(given));
        this.#hooks.changed();
        return answer;
      },
      {
        description,
        validator: (...given: unknown[]) => {
          const error = this.#check(name, sentAs(given));
          if (error) throw invalid(error);
        },
      },
    );
  }

  #listenCutover(): void {
    const description = descriptions.cutover;
    setHandler(
      signals.cutover,
      (...payloads: unknown[]) => {
        const payload = payloadOf(payloads);
        const error = this.#check('cutover', payload);
        if (error) return this.#reject(error);
        const given = cutoverOf(payload);
        const { force, dryRun } = given;
        if (dryRun) return this.#ignoreDryRun();
        if (isAboutPlan(given)) return this.#takePlan(given);
        const blockers = [...this.#groupBlockers(), ...this.blockers(force)];
        if (blockers.length > 0) return this.refuse(blockers);
        this.request = { force };
      },
      { description },
    );
    setHandler(
      updates.cutover,
      async (...payloads: unknown[]) => {
        const given = cutoverOf(payloadOf(payloads));
        if (isAboutPlan(given)) return this.#plan(given);
        return given.dryRun ? this.#dryRun(given.force) : this.#askCutover(given.force);
      },
      {
        description,
        validator: (...payloads: unknown[]) => {
          const payload = sentAs(payloads);
          const error = this.#check('cutover', payload);
          if (error) throw invalid(error);
          const given = cutoverOf(payload);
          const blockers = given.dryRun
            ? []
            : isAboutPlan(given)
              ? this.#planBlockers()
              : [...this.#groupBlockers(), ...this.blockers(given.force)];
          if (blockers.length > 0) throw refused(blockers);
        },
      },
    );
  }

  async #askCutover(force: readonly string[]): Promise<CutoverReport> {
    const request: CutoverRequest = { force };
    this.request = request;
    const hasEnded = () => request.outcome !== undefined || isFinal(this.#state.phase);
    // Code before this answered as soon as an end was asked for, which may come too late for a cutover.
    await (patched('cutoverAnswer')
      ? CancellationScope.nonCancellable(() => condition(hasEnded))
      : condition(() => hasEnded() || this.#state.aborting !== undefined));
    const { outcome } = request;
    if (outcome && 'done' in outcome) return outcome.done;
    throw refused(outcome?.refused ?? stateBlockers(this.#state));
  }

  /** Before the copy is done, and during a cutover, the servers have nothing to add. */
  async #dryRun(force: readonly string[]): Promise<DryRun> {
    const isEarly = this.#state.copy !== 'done';
    const isOver = isFinal(this.#state.phase) || this.#state.cutover !== undefined;
    const isBusy = this.request !== undefined || this.#state.phase === 'cuttingOver';
    const found = isEarly || isOver || isBusy ? [] : await this.#hooks.look(force);
    const known = this.blockers(force);
    const isNew = ({ code }: Blocker) => !known.some((each) => each.code === code);
    const blockers = [...known, ...found.filter(isNew)];
    return { mayCutOver: blockers.length === 0, blockers };
  }

  /** Sets or withdraws the cutover that is planned. @returns what is planned now. */
  #plan(given: CutoverPayload): object {
    const plan = planOf(given, { force: given.force });
    if (plan) this.#state.plan = plan;
    else delete this.#state.plan;
    this.#hooks.changed();
    return plannedOf(this.#state);
  }

  #takePlan(given: CutoverPayload): void {
    // Code before this took such a signal for a mistake, and no timer is in the history.
    if (!patched('cutoverPlan')) return this.#reject('Invalid payload of cutover');
    const blockers = this.#planBlockers();
    if (blockers.length > 0) return this.refuse(blockers);
    this.#plan(given);
  }

  /** Whatever else speaks against a cutover now may be gone when its time comes. */
  #planBlockers(): Blocker[] {
    const final = ['ended', 'aborting', 'cuttingOver'];
    const known = this.blockers([]).filter(({ code }) => final.includes(code));
    return [...this.#groupBlockers(), ...known];
  }

  /** A collection that went ahead would not arrive together with the others. */
  #groupBlockers(): Blocker[] {
    const { group } = this.#hooks;
    if (group === undefined) return [];
    return [{ code: 'group', message: `it is cut over with its group: send cutover to ${group}` }];
  }

  #ignoreDryRun(): void {
    log.warn(DRY_RUN_SIGNAL);
    this.#reject(DRY_RUN_SIGNAL);
  }

  /** What speaks against a cutover by what is known here. */
  blockers(force: readonly string[]): Blocker[] {
    const known = stateBlockers(this.#state).filter(({ code }) => !isForced(code, force));
    if (!this.request || known.some(({ code }) => code === 'cuttingOver')) return known;
    return [...known, { code: 'cuttingOver', message: 'a cutover is under way' }];
  }

  /**
   * Whether settings of a copy that is finished are kept for one that begins anew: a group sends all of its settings,
   * and those that do not matter must not take the others with them. Code before this refused them.
   */
  #mayNote(name: MessageName): boolean {
    const isOfGroup = name === 'tune' && this.#hooks.group !== undefined;
    return isOfGroup && this.#isCopied() && patched('groupTune');
  }

  #isCopied(): boolean {
    return this.#state.copy === 'indexes' || this.#state.copy === 'done';
  }

  #check(name: MessageName, payload: unknown, mayNote = false): string | undefined {
    const parsed = parseInput(schemas[name], payload, `payload of ${name}`);
    if ('error' in parsed) return parsed.error;
    if (name === 'cutover') {
      const problem = timeProblem(cutoverOf(payload).at, Date.now());
      if (problem !== undefined) return `Invalid payload of cutover: "at": ${problem}`;
    }
    if (name === 'tune') {
      const isCopied = this.#isCopied() && !mayNote;
      const problem = tuningProblem(parsed.value as Tuning, this.#hooks.options, isCopied);
      if (problem !== undefined) return `Invalid payload of tune: ${problem}`;
    }
    if (name === 'restart') {
      const isCutoverAsked = this.request !== undefined;
      return restartProblem(this.#state, { isCutoverAsked, isEnding: this.#hooks.isEnding() });
    }
    if (name === 'abort' && this.#hooks.isStandingBy()) {
      return `a cutover of its group is under way: send abort to ${this.#hooks.group}`;
    }
    if (name !== 'cutover' && this.#state.cutover) {
      return `${name} comes too late: the cutover is done`;
    }
    return undefined;
  }

  #reject(message: string): void {
    noteRejected(this.#state, { at: this.#hooks.now(), message });
    this.#hooks.changed();
  }
}

/** @throws ApplicationFailure InvalidInput */
function cutoverOf(payload: unknown): CutoverPayload {
  return acceptInput(parseInput(cutoverInput, payload, 'payload of cutover'));
}
