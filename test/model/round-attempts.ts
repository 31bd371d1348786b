import type { Step } from './explore.js';
import type { Attempt, Copy, Discard, Replay, RoundsOptions, RoundsState } from './rounds.js';

/** The final name; staging collections have others. */
export const FINAL = 'final';

/** The copy of a round at its beginning. */
export function copyOf(round: number): Copy {
  return { kind: 'copy', round, stage: 'create', uuid: 0, version: 0 };
}

/** What an attempt may do next. */
export function attemptStep(
  state: RoundsState,
  attempt: Attempt,
  index: number,
  options: RoundsOptions,
): Step<RoundsState>[] {
  const to = (next: Attempt | undefined, more: Partial<RoundsState> = {}): RoundsState => ({
    ...state,
    attempts: state.attempts.flatMap((each, at) => (at !== index ? [each] : next ? [next] : [])),
    ...more,
  });
  const step = (what: string, next: Attempt | undefined, more?: Partial<RoundsState>) => [
    { name: `${attempt.kind} ${what}`, state: to(next, more) },
  ];
  switch (attempt.kind) {
    case 'copy':
      return copyStep(state, attempt, options, step);
    case 'replay':
      return replayStep(state, attempt, step);
    default:
      return discardStep(state, attempt, options, step);
  }
}

type To = (
  what: string,
  next: Attempt | undefined,
  more?: Partial<RoundsState>,
) => Step<RoundsState>[];

function copyStep(state: RoundsState, copy: Copy, { without }: RoundsOptions, to: To) {
  const { control, collections } = state;
  const name = without === 'the name of each round' ? 'staging' : `staging ${copy.round}`;
  const isCurrent = control.round === copy.round || without === 'the fence of the round';
  const found = collections[name];
  const made = found ?? { uuid: state.uuids + 1, version: 0 };
  const uuids = Math.max(state.uuids, made.uuid);
  switch (copy.stage) {
    case 'create':
      return to(
        'creates staging',
        { ...copy, stage: 'record', uuid: made.uuid },
        {
          collections: { ...collections, [name]: made },
          uuids,
        },
      );
    case 'record':
      if (!isCurrent) return to('is fenced', undefined);
      return to(
        'records staging',
        { ...copy, stage: 'read' },
        {
          control: { ...control, staging: copy.uuid },
        },
      );
    case 'read':
      return to('reads', { ...copy, stage: 'write', version: state.source });
    case 'write':
      // As a tool does: what is there stays, and a collection that is gone is made again.
      return to(
        'writes',
        { ...copy, stage: 'rename' },
        {
          collections: {
            ...collections,
            [name]: { ...made, version: made.version || copy.version },
          },
          uuids,
        },
      );
    case 'rename': {
      // It is looked at right before: no server ties a rename to it.
      if (control.round !== copy.round && without !== 'the fence of the round')
        return to('is fenced', undefined);
      if (!found || found.uuid !== copy.uuid || collections[FINAL]) return to('fails', undefined);
      const { [name]: _renamed, ...others } = collections;
      return to(
        'renames',
        { ...copy, stage: 'named' },
        {
          collections: { ...others, [FINAL]: found },
        },
      );
    }
    default: {
      if (!isCurrent) return to('is fenced', undefined);
      const epoch = control.epoch + 1;
      const late = without === 'where the replay has stopped';
      const from = late ? state.captured : control.from;
      const through = control.through ?? from;
      const replay: Replay = { kind: 'replay', epoch, stage: 'read', version: 0 };
      return to('has its name, and is replayed', replay, {
        control: { ...control, epoch, renamed: true, through },
      });
    }
  }
}

function replayStep(state: RoundsState, replay: Replay, to: To): Step<RoundsState>[] {
  const { control, collections, captured } = state;
  const isCurrent = control.epoch === replay.epoch;
  switch (replay.stage) {
    case 'read':
      if (!isCurrent) return to('is fenced', undefined);
      if (captured <= (control.through ?? captured)) return [];
      return to('reads', { ...replay, stage: 'check', version: captured });
    case 'check':
      return isCurrent
        ? to('begins to merge', { ...replay, stage: 'merge' })
        : to('is fenced', undefined);
    case 'merge': {
      const found = collections[FINAL] ?? { uuid: state.uuids + 1, version: 0 };
      return to(
        'merges',
        { ...replay, stage: 'advance' },
        {
          collections: { ...collections, [FINAL]: { ...found, version: replay.version } },
          uuids: Math.max(state.uuids, found.uuid),
        },
      );
    }
    default:
      if (!isCurrent) return to('is fenced', undefined);
      return to(
        'advances',
        { ...replay, stage: 'read' },
        {
          control: { ...control, through: replay.version },
        },
      );
  }
}

function discardStep(
  state: RoundsState,
  discard: Discard,
  { without }: RoundsOptions,
  to: To,
): Step<RoundsState>[] {
  const { control, collections } = state;
  const { round } = discard;
  switch (discard.stage) {
    case 'begin': {
      const next: Discard = { ...discard, stage: 'end merges' };
      const epoch = control.epoch + 1;
      if (control.round < round) {
        const from = control.through ?? control.from;
        const begun = { round, epoch, from, through: null, staging: null, renamed: false };
        return to('begins the round', next, { control: { ...begun, discarded: control.staging } });
      }
      if (control.round === round && !control.renamed)
        return to('takes over again', next, { control: { ...control, epoch } });
      return to('finds it begun', { ...discard, stage: 'drop staging' });
    }
    case 'end merges': {
      const attempts = state.attempts.map((each): Attempt => {
        if (each === discard) return { ...discard, stage: 'drop staging' };
        const isLate = each.kind === 'replay' && each.stage === 'merge';
        return isLate && each.epoch < control.epoch ? { ...each, stage: 'advance' } : each;
      });
      if (without === 'the end of old merges')
        return to('goes on', { ...discard, stage: 'drop staging' });
      return to('ends merges', undefined, { attempts });
    }
    case 'drop staging': {
      const older = (name: string) => /^staging (\d+)$/.exec(name)?.[1];
      const kept = Object.entries(collections).filter(
        ([name]) => Number(older(name) ?? round) >= round && name !== 'staging',
      );
      const next: Discard = { ...discard, stage: 'look', uuid: control.discarded };
      return to('drops staging', next, { collections: Object.fromEntries(kept) });
    }
    case 'look': {
      const isFound = collections[FINAL]?.uuid === discard.uuid;
      return to('looks', { ...discard, stage: isFound ? 'drop' : 'end' });
    }
    case 'drop': {
      const next: Discard = { ...discard, stage: 'end' };
      const isOld = collections[FINAL]?.uuid === discard.uuid;
      if (!isOld && without !== 'the UUID of what is dropped') return to('drops nothing', next);
      const { [FINAL]: _dropped, ...others } = collections;
      return to('drops the collection', next, { collections: others });
    }
    default:
      if (!state.isDiscarding || state.round !== round) return to('ends late', undefined);
      return to('ends, and the next copy begins', copyOf(round), { isDiscarding: false });
  }
}
