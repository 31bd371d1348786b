import { expect, it } from 'vitest';
import { Gatherer } from '../../src/gatherer.js';

function gathererOf(most: number) {
  const batches: (readonly number[])[] = [];
  const gatherer = new Gatherer<number, number>(async (items) => {
    batches.push(items);
    if (items.includes(0)) throw new Error('zero');
    return items.map((item) => item * 10);
  }, most);
  return { gatherer, batches };
}

it('does together what comes at once, and gives each its own', async () => {
  const { gatherer, batches } = gathererOf(100);
  expect(await Promise.all([1, 2, 3].map((item) => gatherer.add(item)))).toEqual([10, 20, 30]);
  expect(await gatherer.add(4)).toBe(40);
  expect(batches).toEqual([[1, 2, 3], [4]]);
});

it('takes no more than so many at a time, and loses none', async () => {
  const { gatherer, batches } = gathererOf(3);
  const items = Array.from({ length: 8 }, (_, index) => index + 1);
  const results = await Promise.all(items.map((item) => gatherer.add(item)));
  expect(results).toEqual(items.map((item) => item * 10));
  expect(batches).toEqual([
    [1, 2, 3],
    [4, 5, 6],
    [7, 8],
  ]);
});

it('fails all of those that fail together, and none after them', async () => {
  const { gatherer } = gathererOf(100);
  const ended = await Promise.allSettled([1, 0].map((item) => gatherer.add(item)));
  expect(ended.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await gatherer.add(1)).toBe(10);
});

it('fails one alone where it is its own to fail', async () => {
  const gatherer = new Gatherer<number, number>(
    async (items) => items.map((item) => (item === 0 ? Promise.reject(new Error('zero')) : item)),
    100,
  );
  const ended = await Promise.allSettled([1, 0, 2].map((item) => gatherer.add(item)));
  expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});
