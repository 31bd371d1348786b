import type { Protocol, Step } from './explore.js';
import { attemptStep, copyOf, FINAL } from './round-attempts.js';

/**
 * A copy that begins anew as a protocol: one document in ever newer versions, copied and replayed, while
 * the copies before are discarded and their attempts go on. Capture reads all along. An attempt stops for
 * any time at any step; one that never takes its next step has crashed.
 */
export interface RoundsOptions {
  /** Versions of the document after the first. */
  readonly versions: number;
  readonly restarts: number;
  /** Attempts to discard a copy that Temporal starts although others may still be alive. */
  readonly successors: number;
  /** The part of the protocol that is left out. */
  readonly without?: RoundsFlaw;
}

/** Ways to get it wrong; the search has to find each. */
export type RoundsFlaw =
  | 'the fence of the round'
  | 'the name of each round'
  | 'the UUID of what is dropped'
  | 'the end of old merges'
  | 'where the replay has stopped';

interface Collection {
  readonly uuid: number;
  /** Of the document; 0 for none. */
  readonly version: number;
}

interface Control {
  readonly round: number;
  readonly epoch: number;
  /** Version up to which changes are older than the copy, and applied to it. */
  readonly from: number;
  readonly through: number | null;
  readonly staging: number | null;
  readonly renamed: boolean;
  readonly discarded: number | null;
}

export interface Copy {
  readonly kind: 'copy';
  readonly round: number;
  readonly stage: 'create' | 'record' | 'read' | 'write' | 'rename' | 'named';
  readonly uuid: number;
  readonly version: number;
}

export interface Replay {
  readonly kind: 'replay';
  readonly epoch: number;
  readonly stage: 'read' | 'check' | 'merge' | 'advance';
  readonly version: number;
}

export interface Discard {
  readonly kind: 'discard';
  readonly round: number;
  readonly stage: 'begin' | 'end merges' | 'drop staging' | 'look' | 'drop' | 'end';
  readonly uuid: number | null;
}

export type Attempt = Copy | Replay | Discard;

export interface RoundsState {
  /** Versions at the source, and in the buffer. */
  readonly source: number;
  readonly captured: number;
  readonly control: Control;
  /** By name: staging by its round, and the final one. */
  readonly collections: Readonly<Record<string, Collection>>;
  readonly uuids: number;
  readonly attempts: readonly Attempt[];
  /** What the workflow is at. */
  readonly round: number;
  readonly isDiscarding: boolean;
  readonly restarts: number;
  readonly successors: number;
}

/** The protocol with these options. */
export function rounds(options: RoundsOptions): Protocol<RoundsState> {
  const { versions, restarts, successors } = options;
  return {
    start: {
      source: 1,
      captured: 1,
      control: {
        round: 0,
        epoch: 0,
        from: 1,
        through: null,
        staging: null,
        renamed: false,
        discarded: null,
      },
      collections: {},
      uuids: 0,
      attempts: [copyOf(0)],
      round: 0,
      isDiscarding: false,
      restarts,
      successors,
    },
    steps: (state) => [
      ...(state.source <= versions
        ? [{ name: 'the source changes', state: { ...state, source: state.source + 1 } }]
        : []),
      ...(state.captured < state.source
        ? [{ name: 'capture stores it', state: { ...state, captured: state.captured + 1 } }]
        : []),
      ...state.attempts.flatMap((each, index) => attemptStep(state, each, index, options)),
      ...workflowSteps(state),
    ],
    wrong: ({ source, collections, control }, isEnd) => {
      const final = collections[FINAL];
      if (!isEnd || (final?.version === source && final.uuid === control.staging)) return undefined;
      return final ? 'the target is not as the source' : 'nothing goes on, and nothing is copied';
    },
  };
}

function workflowSteps(state: RoundsState): Step<RoundsState>[] {
  const { round, isDiscarding, attempts, restarts, successors } = state;
  const with_ = (more: Attempt, changed: Partial<RoundsState>): RoundsState => ({
    ...state,
    ...changed,
    attempts: [...attempts, more],
  });
  const discard = (of: number): Discard => ({
    kind: 'discard',
    round: of,
    stage: 'begin',
    uuid: null,
  });
  if (isDiscarding) {
    if (successors === 0) return [];
    const name = 'another attempt discards';
    return [{ name, state: with_(discard(round), { successors: successors - 1 }) }];
  }
  if (restarts === 0) return [];
  const next = { round: round + 1, isDiscarding: true, restarts: restarts - 1 };
  return [{ name: 'the copy begins anew', state: with_(discard(round + 1), next) }];
}
