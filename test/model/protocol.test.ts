import { describe, expect, it } from 'vitest';
import { randomFrom } from '../helpers/random.js';
import { copy, type CopyFlaw } from './copy.js';
import { explore, wander } from './explore.js';
import { rounds, type RoundsFlaw } from './rounds.js';
import { type Event, type Flaw, stream } from './stream.js';

const put = (id: 'a' | 'b'): Event => ({ id });
const remove = (id: 'a' | 'b'): Event => ({ id, deletes: true });
/** A document that goes and comes again, beside another one. */
const events = [put('a'), put('b'), remove('a'), put('a')];
const successors = 3;
const WALKS = 20_000;

/** Each part that can be left out, so that nobody forgets to name one here. */
const flaws: Readonly<Record<Flaw, true>> = {
  'the fence of $merge': true,
  'the fence of deletes': true,
  'the fence of progress': true,
  'the end of old merges': true,
  'buffer before position': true,
  'captured-through as the limit': true,
  'deletes before writes': true,
  'applied-through as the limit of pruning': true,
  'the hold of the cutover': true,
  'the order of holds': true,
  'the mark of who puts changes together': true,
};
const copyFlaws: Readonly<Record<CopyFlaw, true>> = {
  'the fence of clearing': true,
  'the fence of the record': true,
  'the name of its own': true,
};

const roundsFlaws: Readonly<Record<RoundsFlaw, true>> = {
  'the fence of the round': true,
  'the name of each round': true,
  'the UUID of what is dropped': true,
  'the end of old merges': true,
  'where the replay has stopped': true,
};

describe('the way of a change', () => {
  it.each([
    ['of one document', [put('a'), remove('a')]],
    ['of two documents', [put('a'), put('b')]],
  ])('ends equal in every order of steps %s', { timeout: 300_000 }, (_what, few) => {
    const { wrong, path, states } = explore(stream({ events: few, successors: 1 }));
    expect(wrong, path.join('\n')).toBeUndefined();
    expect(states).toBeGreaterThan(50_000);
  });

  it('ends equal in random orders of more steps', { timeout: 300_000 }, () => {
    const { wrong, path } = wander(stream({ events, successors }), 2_000, randomFrom(1));
    expect(wrong, path.join('\n')).toBeUndefined();
  });

  it.each(Object.keys(flaws) as Flaw[])(
    'goes wrong without %s',
    { timeout: 300_000 },
    (without) => {
      // What goes wrong in the cutover takes no changes, of which each walk has to find its way through.
      const own = without === 'the order of holds' ? [put('a')] : events;
      const found = wander(stream({ events: own, successors, without }), WALKS, randomFrom(1));
      expect(found.wrong).toMatch(/^the target is open and /);
    },
  );
});

describe('the copy of a partition', () => {
  it('ends complete in every order of steps', () => {
    const { wrong, path, states } = explore(copy({ documents: 2, successors: 3 }));
    expect(wrong, path.join('\n')).toBeUndefined();
    expect(states).toBeGreaterThan(500);
  });

  it.each(Object.keys(copyFlaws) as CopyFlaw[])('goes wrong without %s', (without) => {
    expect(explore(copy({ documents: 2, successors: 2, without })).wrong).toBeDefined();
  });
});

describe('a copy that begins anew', () => {
  const small = { versions: 2, restarts: 1, successors: 1 };

  it('ends equal in every order of steps', { timeout: 300_000 }, () => {
    const { wrong, path, states } = explore(rounds(small));
    expect(wrong, path.join('\n')).toBeUndefined();
    expect(states).toBeGreaterThan(1_000);
  });

  it('ends equal in random orders of more steps', { timeout: 300_000 }, () => {
    const more = { versions: 4, restarts: 3, successors: 2 };
    const { wrong, path } = wander(rounds(more), 2_000, randomFrom(1));
    expect(wrong, path.join('\n')).toBeUndefined();
  });

  it.each(Object.keys(roundsFlaws) as RoundsFlaw[])(
    'goes wrong without %s',
    { timeout: 300_000 },
    (without) => {
      expect(explore(rounds({ ...small, without })).wrong).toBeDefined();
    },
  );
});
