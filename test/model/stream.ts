import { type Bundle, type Entry, inRange, insert, together } from './bundle.js';
import type { Protocol, Step } from './explore.js';

/**
 * The way of a change from the source to the target as a protocol: capture, replay, prune, takeover
 * and cutover, with attempts that stop for any time at any step and go on beside their successors.
 * An attempt that never takes its next step has crashed. What src/mongo does in one statement or
 * one transaction is one step here; a `$merge`, which is no transaction, takes one step per document.
 */
export interface StreamOptions {
  /** What the source does, one event after another. */
  readonly events: readonly Event[];
  /** Attempts that Temporal starts although others may still be alive. */
  readonly successors: number;
  /** The part of the protocol that is left out. */
  readonly without?: Flaw;
}

/** A document is put in a new version, or deleted. */
export interface Event {
  readonly id: Id;
  readonly deletes?: true;
}

export type Id = 'a' | 'b';
type Versions = Readonly<Record<Id, number>>;

/** Ways to get the protocol wrong; the search has to find each. */
export type Flaw =
  | 'the fence of $merge'
  | 'the fence of deletes'
  | 'the fence of progress'
  | 'the end of old merges'
  | 'buffer before position'
  | 'captured-through as the limit'
  | 'deletes before writes'
  | 'applied-through as the limit of pruning'
  | 'the hold of the cutover'
  | 'the order of holds'
  | 'the mark of who puts changes together';

interface Capture {
  readonly epoch: number;
  readonly at: number;
  readonly stage: 'reading' | 'read' | 'storing' | 'stored';
  readonly to: number;
  readonly bundles: readonly Bundle[];
}

interface Replay {
  readonly epoch: number;
  readonly at: number;
  readonly stage: 'taken' | 'ready' | 'read' | 'deleted' | 'merging' | 'applied';
  readonly end: number;
  readonly range: readonly Entry[];
}

/** A `$merge` that runs in the server, whatever became of who sent it. */
interface Merge {
  readonly epoch: number;
  readonly writes: readonly Entry[];
}

export interface StreamState {
  readonly time: number;
  readonly source: Versions;
  readonly buffer: readonly Bundle[];
  readonly captureEpoch: number;
  readonly replayEpoch: number;
  readonly captured: number;
  readonly applied: number;
  readonly target: Versions;
  readonly captures: readonly Capture[];
  readonly replays: readonly Replay[];
  readonly merges: readonly Merge[];
  readonly successors: number;
  /** Epoch by which the cutover replays; 0 before. */
  readonly cutover: number;
  readonly drained: boolean;
  /** Attempts of the cutover that froze before they held. */
  readonly late: number;
  /** Unique indexes, validator and expiry are in force at the target. */
  readonly inForce: boolean;
  /** Applications write at the target from then on. */
  readonly opened: boolean;
}

/** Version that the application writes at the target once it is open. */
const APPLICATION = 99;

/** The protocol with these options. */
export function stream(options: StreamOptions): Protocol<StreamState> {
  return {
    start: {
      time: 0,
      source: { a: 0, b: 0 },
      buffer: [],
      captureEpoch: 1,
      replayEpoch: 1,
      captured: 0,
      applied: 0,
      target: { a: 0, b: 0 },
      captures: [{ epoch: 1, at: 0, stage: 'reading', to: 0, bundles: [] }],
      replays: [{ epoch: 1, at: 0, stage: 'ready', end: 0, range: [] }],
      merges: [],
      successors: options.successors,
      cutover: 0,
      drained: false,
      late: 0,
      inForce: false,
      opened: false,
    },
    steps: (state) => [
      ...sourceSteps(state, options),
      ...state.captures.flatMap((capture, index) => captureSteps(state, capture, index, options)),
      ...state.replays.flatMap((replay, index) => replaySteps(state, replay, index, options)),
      ...state.merges.map((merge, index) => mergeStep(state, merge, index)),
      ...takeovers(state, options),
      ...cutoverSteps(state, options),
      ...lateHolds(state, options),
    ],
    wrong: (state, isEnd) => {
      const wanted = state.opened ? { ...state.source, a: APPLICATION } : state.source;
      const isEqual = state.target.a === wanted.a && state.target.b === wanted.b;
      if (state.opened && !state.inForce) return 'the target is open and nothing is in force';
      if (state.opened && !isEqual) return 'the target is open and not as it has to be';
      if (isEnd && !state.opened) return 'nothing goes on, and the target is not open';
      return undefined;
    },
  };
}

function sourceSteps(state: StreamState, { events }: StreamOptions): Step<StreamState>[] {
  const event = events[state.time];
  // Applications stop writing to the source before the cutover.
  if (!event || state.cutover > 0) return [];
  const time = state.time + 1;
  const source = { ...state.source, [event.id]: event.deletes ? 0 : time };
  return [
    {
      name: `source ${event.deletes ? 'deletes' : 'puts'} ${event.id}`,
      state: { ...state, time, source },
    },
  ];
}

function captureSteps(
  state: StreamState,
  capture: Capture,
  index: number,
  { events, without }: StreamOptions,
): Step<StreamState>[] {
  const to = (next: Capture | undefined, more: Partial<StreamState> = {}): StreamState => ({
    ...state,
    captures: replaced(state.captures, index, next),
    ...more,
  });
  const name = (what: string) => `capture ${capture.epoch} ${what}`;
  const isMarked = without !== 'the mark of who puts changes together';
  const stored: Capture = { ...capture, stage: 'reading', at: capture.to, bundles: [] };
  const isCurrent = state.captureEpoch === capture.epoch;
  switch (capture.stage) {
    case 'reading': {
      if (state.time === capture.at) return [];
      const read: Capture = { ...capture, stage: 'read', to: state.time };
      const early = without === 'buffer before position' && isCurrent;
      return [
        {
          name: name(`reads to ${state.time}`),
          state: to(read, early ? { captured: state.time } : {}),
        },
      ];
    }
    case 'read': {
      const entries = readBack(state, events, capture.at, capture.to);
      return together(entries, capture.epoch).map((bundles) => ({
        name: name(`reads back ${bundles.length}`),
        state: to({ ...capture, stage: 'storing', bundles }),
      }));
    }
    case 'storing':
      // Inserts run beside each other, so that they end in any order.
      return capture.bundles.map((bundle) => {
        const bundles = capture.bundles.filter((other) => other !== bundle);
        const stage = bundles.length > 0 ? 'storing' : 'stored';
        const buffer = insert(state.buffer, bundle, isMarked);
        return {
          name: name(`stores ${bundle.token}`),
          state: to({ ...capture, bundles, stage }, { buffer }),
        };
      });
    case 'stored':
      if (!isCurrent) return [{ name: name('is fenced'), state: to(undefined) }];
      return [{ name: name(`commits ${capture.to}`), state: to(stored, { captured: capture.to }) }];
    default:
      return capture.stage satisfies never;
  }
}

function replaySteps(
  state: StreamState,
  replay: Replay,
  index: number,
  { without }: StreamOptions,
): Step<StreamState>[] {
  const to = (next: Partial<Replay> | undefined, more: Partial<StreamState> = {}): StreamState => ({
    ...state,
    replays: replaced(state.replays, index, next && { ...replay, ...next }),
    ...more,
  });
  const name = (what: string) => `replay ${replay.epoch} ${what}`;
  const isCurrent = state.replayEpoch === replay.epoch;
  const fenced = { name: name('is fenced'), state: to(undefined) };
  switch (replay.stage) {
    case 'taken': {
      const isLeft = ({ epoch }: Merge) =>
        without === 'the end of old merges' || epoch >= replay.epoch;
      const merges = state.merges.filter(isLeft);
      return [{ name: name('ends old merges'), state: to({ stage: 'ready' }, { merges }) }];
    }
    case 'ready': {
      const tokens = state.buffer.map(({ token }) => token);
      const isThere = (end: number) =>
        end > replay.at && (without === 'captured-through as the limit' || end <= state.captured);
      // A range may have to end before all that is captured, after any bundle.
      const ends = [...new Set([...tokens, state.captured])].filter(isThere);
      if (ends.length > 0 && !isCurrent) return [fenced];
      return ends.map((end) => {
        const range = inRange(state.buffer, replay.at, end);
        return { name: name(`reads to ${end}`), state: to({ stage: 'read', end, range }) };
      });
    }
    case 'read': {
      if (without === 'deletes before writes')
        return [{ name: name('deletes later'), state: to({ stage: 'deleted' }) }];
      const deleted = deletes(replay.range);
      if (deleted.length === 0)
        return [{ name: name('has no deletes'), state: to({ stage: 'deleted' }) }];
      if (!isCurrent && without !== 'the fence of deletes') return [fenced];
      const target = lacking(state.target, deleted);
      return [{ name: name('deletes'), state: to({ stage: 'deleted' }, { target }) }];
    }
    case 'deleted': {
      const isFenced = !isCurrent && without !== 'the fence of $merge';
      const writes = isFenced ? [] : lastWrites(inRange(state.buffer, replay.at, replay.end));
      const merges = [...state.merges, { epoch: replay.epoch, writes }];
      return [{ name: name('sends $merge'), state: to({ stage: 'merging' }, { merges }) }];
    }
    case 'merging': {
      const running = state.merges.find(({ epoch }) => epoch === replay.epoch);
      // Ended by a successor: the command has failed.
      if (!running) return [fenced];
      if (running.writes.length > 0) return [];
      const merges = state.merges.filter((merge) => merge !== running);
      const late =
        without === 'deletes before writes'
          ? { target: lacking(state.target, deletes(replay.range)) }
          : {};
      return [
        { name: name('hears of its $merge'), state: to({ stage: 'applied' }, { merges, ...late }) },
      ];
    }
    case 'applied': {
      if (!isCurrent && without !== 'the fence of progress') return [fenced];
      const pruned =
        without === 'applied-through as the limit of pruning' ? state.captured : replay.end;
      const next = { stage: 'ready', at: replay.end, range: [] } as const;
      const buffer = state.buffer.filter(({ token }) => token > pruned);
      return [
        {
          name: name(`advances to ${replay.end}`),
          state: to(next, { applied: replay.end, buffer }),
        },
      ];
    }
    default:
      return replay.stage satisfies never;
  }
}

function mergeStep(state: StreamState, merge: Merge, index: number): Step<StreamState> {
  const [write, ...writes] = merge.writes;
  const isHeard = state.replays.some(
    ({ epoch, stage }) => epoch === merge.epoch && stage === 'merging',
  );
  // Nobody waits for its end any more.
  const next = write || isHeard ? { ...merge, writes } : undefined;
  const target = write ? { ...state.target, [write.id]: write.version } : state.target;
  return {
    name: `$merge of ${merge.epoch} ${write ? `writes ${write.id}` : 'ends'}`,
    state: { ...state, target, merges: replaced(state.merges, index, next) },
  };
}

/** Temporal gives an attempt up and starts the next one; the old one may live on. */
function takeovers(state: StreamState, options: StreamOptions): Step<StreamState>[] {
  if (state.successors === 0 || state.opened) return [];
  const successors = state.successors - 1;
  if (state.cutover > 0) {
    return [
      { name: 'the cutover has a successor', state: hold({ ...state, successors }, options) },
    ];
  }
  const captureEpoch = state.captureEpoch + 1;
  const capture: Capture = {
    epoch: captureEpoch,
    at: state.captured,
    stage: 'reading',
    to: 0,
    bundles: [],
  };
  return [
    {
      name: 'capture has a successor',
      state: { ...state, successors, captureEpoch, captures: [...state.captures, capture] },
    },
    { name: 'replay has a successor', state: takeReplay({ ...state, successors }) },
  ];
}

function takeReplay(state: StreamState): StreamState {
  const epoch = state.replayEpoch + 1;
  const replay: Replay = { epoch, at: state.applied, stage: 'taken', end: 0, range: [] };
  return {
    ...state,
    replayEpoch: epoch,
    replays: [...state.replays, replay],
  };
}

function hold(state: StreamState, options: StreamOptions): StreamState {
  if (options.without === 'the hold of the cutover') {
    const replay: Replay = {
      epoch: state.replayEpoch,
      at: state.applied,
      stage: 'taken',
      end: 0,
      range: [],
    };
    return {
      ...state,
      cutover: state.replayEpoch,
      drained: false,
      inForce: false,
      replays: [...state.replays, replay],
    };
  }
  const held = takeReplay({ ...state, captureEpoch: state.captureEpoch + 1 });
  return { ...held, cutover: held.replayEpoch, drained: false, inForce: false };
}

/** An attempt that froze before it held wakes up when a later one has held, and may be through. */
function lateHolds(state: StreamState, options: StreamOptions): Step<StreamState>[] {
  if (state.late === 0 || state.cutover === 0) return [];
  const awake = { ...state, late: state.late - 1 };
  return options.without === 'the order of holds'
    ? [{ name: 'a late attempt of the cutover holds', state: hold(awake, options) }]
    : [{ name: 'a late attempt of the cutover is fenced', state: awake }];
}

function cutoverSteps(state: StreamState, options: StreamOptions): Step<StreamState>[] {
  const { events, without } = options;
  const isMarked = without !== 'the mark of who puts changes together';
  if (state.opened) return [];
  if (state.cutover === 0) {
    if (state.time < events.length) return [];
    const { successors, late } = state;
    const frozen = { ...state, successors: successors - 1, late: late + 1 };
    return [
      { name: 'the cutover holds', state: hold(state, options) },
      ...(successors > 0
        ? [{ name: 'the cutover freezes, and has a successor', state: frozen }]
        : []),
    ];
  }
  if (!state.drained) {
    const entries = readBack(state, events, state.captured, state.time);
    return together(entries, state.captureEpoch).map((bundles) => ({
      name: `the cutover drains ${bundles.length}`,
      state: {
        ...state,
        buffer: bundles.reduce((buffer, one) => insert(buffer, one, isMarked), state.buffer),
        captured: state.time,
        drained: true,
      },
    }));
  }
  const own = state.replays.find(
    ({ epoch, stage }) => epoch === state.cutover && stage === 'ready',
  );
  if (!own || own.at < state.time) return [];
  const target = { ...state.target, a: APPLICATION };
  // What is there already is what an application writes over.
  const isEqual = state.target.a === state.source.a;
  return [
    {
      name: 'the target opens',
      state: { ...state, opened: true, inForce: true, target: isEqual ? target : state.target },
    },
  ];
}

function readBack(
  { source }: StreamState,
  events: readonly Event[],
  after: number,
  to: number,
): Entry[] {
  return lastOf(events, after, to).map(({ token, id }) => ({
    token,
    id,
    version: deletesAt(events, token) ? 0 : source[id],
  }));
}

/** The last event of each document, after one time up to another. */
function lastOf(events: readonly Event[], after: number, to: number): { token: number; id: Id }[] {
  const last = new Map<Id, number>();
  for (let token = after + 1; token <= to; token++) {
    const event = events[token - 1];
    if (event) last.set(event.id, token);
  }
  return [...last].map(([id, token]) => ({ token, id }));
}

function deletesAt(events: readonly Event[], token: number): boolean {
  return events[token - 1]?.deletes ?? false;
}

function deletes(range: readonly Entry[]): Id[] {
  return range.filter(({ version }) => version === 0).map(({ id }) => id);
}

/** What a `$merge` over a range writes: the last entry of each document, unless it is a delete. */
function lastWrites(range: readonly Entry[]): Entry[] {
  return [...new Map(range.map((entry) => [entry.id, entry])).values()].filter(
    ({ version }) => version > 0,
  );
}

function lacking(versions: Versions, ids: readonly Id[]): Versions {
  return { a: ids.includes('a') ? 0 : versions.a, b: ids.includes('b') ? 0 : versions.b };
}

function replaced<T>(list: readonly T[], index: number, next: T | undefined): readonly T[] {
  return list.flatMap((item, at) => (at !== index ? [item] : next === undefined ? [] : [next]));
}
