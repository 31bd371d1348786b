import { expect, it } from 'vitest';
import { Crowd } from '../../src/crowd.js';

it('shares out among those that are there', () => {
  const crowd = new Crowd();
  expect(crowd.share(100)).toBe(100);
  {
    using _one = crowd.join();
    using place = crowd.place();
    expect(crowd.share(100)).toBe(100);
    place.set(true);
    place.set(true);
    expect(crowd.share(100)).toBe(50);
    place.set(false);
    expect(crowd.share(100)).toBe(100);
    place.set(true);
  }
  using _another = crowd.join();
  expect(crowd.share(100)).toBe(100);
});

it('does seldom what many do', () => {
  const crowd = new Crowd();
  const limits = { each: 10, most: 1_000 };
  const joined = Array.from({ length: 50 }, () => crowd.join());
  expect(crowd.stretch(100, limits)).toBe(500);
  expect(crowd.stretch(700, limits)).toBe(700);
  joined.push(...Array.from({ length: 200 }, () => crowd.join()));
  expect(crowd.stretch(100, limits)).toBe(1_000);
  for (const one of joined) one[Symbol.dispose]();
  expect(crowd.stretch(100, limits)).toBe(100);
});
