import {
  ApplicationFailure,
  condition,
  setDefaultSignalHandler,
  setHandler,
} from '@temporalio/workflow';
import type { z } from 'zod';
import { isForced } from '../blockers.js';
import { errorTypes } from '../errors.js';
import type { Blocker, CutoverOutcome } from '../migration.js';
import { abortInput, cutoverInput, emptyInput, parseInput } from '../options.js';
import { stateBlockers } from './blockers.js';
import { descriptions, type MessageName, signals, updates } from './messages.js';
import type { MigrationState } from './status.js';

/** A cutover that somebody asked for. */
export interface CutoverRequest {
  readonly force: readonly string[];
  outcome?: CutoverOutcome;
}

const schemas = {
  restore: emptyInput,
  cutover: cutoverInput,
  pause: emptyInput,
  resume: emptyInput,
  abort: abortInput,
} as const satisfies Record<MessageName, z.ZodType>;

/** Rejected messages that status shows. */
const MAX_REJECTED = 20;

/**
 * Signals and updates of a migration. They only change the state and leave requests; the story reads
 * both. Nothing here throws anything but ApplicationFailure: a plain error in a handler would hang
 * the workflow.
 */
export class Inbox {
  readonly #state: MigrationState;
  readonly #now: () => string;
  readonly #changed: () => void;
  /** Somebody has sent `restore`. */
  restoreRequested = false;
  /** The cutover to do next. */
  request: CutoverRequest | undefined;

  /** `changed` is called after each message that changed the state. */
  constructor(state: MigrationState, now: () => string, changed: () => void) {
    this.#state = state;
    this.#now = now;
    this.#changed = changed;
    this.#listen('restore', () => this.#restore());
    this.#listen('pause', () => this.#pause(true));
    this.#listen('resume', () => this.#pause(false));
    this.#listen('abort', (payload) => this.#abort(payload));
    this.#listenCutover();
    setDefaultSignalHandler((name) => {
      this.#reject(`unknown signal "${name}": known are ${Object.keys(signals).join(', ')}`);
    });
  }

  /** Records why a cutover was refused. */
  refuse(blockers: readonly Blocker[]): void {
    this.#state.refused = { at: this.#now(), blockers };
    this.#changed();
  }

  #restore(): object {
    this.restoreRequested = true;
    return { restore: 'requested' };
  }

  #pause(paused: boolean): object {
    this.#state.paused = paused;
    return { paused };
  }

  #abort(payload: unknown): object {
    const parsed = parseInput(abortInput, payload, 'payload of abort');
    if ('error' in parsed) throw invalid(parsed.error);
    const { dropTarget, reason } = parsed.value;
    this.#state.aborting = { dropTarget, ...(reason !== undefined && { reason }) };
    return { aborting: true, dropTarget };
  }

  #listen(name: Exclude<MessageName, 'cutover'>, handle: (payload: unknown) => object): void {
    const description = descriptions[name];
    const check = (payload: unknown) => this.#check(name, payload);
    setHandler(
      signals[name],
      (payload?: unknown) => {
        const error = check(payload);
        if (error) return this.#reject(error);
        handle(payload);
        this.#changed();
      },
      { description },
    );
    setHandler(
      updates[name],
      (payload?: unknown) => {
        const answer = handle(payload);
        this.#changed();
        return answer;
      },
      {
        description,
        validator: (payload?: unknown) => {
          const error = check(payload);
          if (error) throw invalid(error);
        },
      },
    );
  }

  #listenCutover(): void {
    const description = descriptions.cutover;
    setHandler(
      signals.cutover,
      (payload?: unknown) => {
        const error = this.#check('cutover', payload);
        if (error) return this.#reject(error);
        const force = forceOf(payload);
        const blockers = this.#blockers(force);
        if (blockers.length > 0) return this.refuse(blockers);
        this.request = { force };
      },
      { description },
    );
    setHandler(
      updates.cutover,
      async (payload?: unknown) => {
        const request: CutoverRequest = { force: forceOf(payload) };
        this.request = request;
        await condition(() => request.outcome !== undefined || isEnding(this.#state));
        const { outcome } = request;
        if (outcome && 'done' in outcome) return outcome.done;
        throw refused(outcome?.refused ?? stateBlockers(this.#state));
      },
      {
        description,
        validator: (payload?: unknown) => {
          const error = this.#check('cutover', payload);
          if (error) throw invalid(error);
          const blockers = this.#blockers(forceOf(payload));
          if (blockers.length > 0) throw refused(blockers);
        },
      },
    );
  }

  #blockers(force: readonly string[]): Blocker[] {
    const known = stateBlockers(this.#state).filter(({ code }) => !isForced(code, force));
    if (!this.request) return known;
    return [...known, { code: 'cuttingOver', message: 'a cutover is under way' }];
  }

  #check(name: MessageName, payload: unknown): string | undefined {
    const parsed = parseInput(schemas[name], payload, `payload of ${name}`);
    if ('error' in parsed) return parsed.error;
    if (name !== 'cutover' && this.#state.cutover) {
      return `${name} comes too late: the cutover is done`;
    }
    return undefined;
  }

  #reject(message: string): void {
    this.#state.rejected = [...this.#state.rejected, { at: this.#now(), message }].slice(
      -MAX_REJECTED,
    );
    this.#changed();
  }
}

function isEnding({ phase, aborting }: MigrationState): boolean {
  return aborting !== undefined || phase === 'failed' || phase === 'aborted';
}

function forceOf(payload: unknown): readonly string[] {
  const parsed = parseInput(cutoverInput, payload, 'payload of cutover');
  return 'value' in parsed ? parsed.value.force : [];
}

function invalid(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: errorTypes.invalidInput, message, nonRetryable: true });
}

function refused(blockers: readonly Blocker[]): ApplicationFailure {
  return ApplicationFailure.create({
    type: errorTypes.cutoverRefused,
    message: `the cutover is refused: ${blockers.map(({ code, message }) => `${message} (${code})`).join('; ')}`,
    details: [...blockers],
    nonRetryable: true,
  });
}
