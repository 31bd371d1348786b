import { expect, it } from 'vitest';
import { lettersOf } from '../../../src/workflows/group/teller.js';

const run = (namespace: string) => ({ namespace, workflowId: `id-${namespace}`, runId: namespace });

it('writes what is the same for many collections once, and what differs for each', () => {
  const [to, other, third] = [run('shop.a'), run('shop.b'), run('shop.c')];
  const letters = lettersOf([
    { to, name: 'tune', payload: { gzip: true } },
    { to: other, name: 'tune', payload: { gzip: false } },
    { to: third, name: 'tune', payload: { gzip: true } },
  ]);
  const [a, b, c] = ['shop.a', 'shop.b', 'shop.c'].map((runId) => ({
    workflowId: `id-${runId}`,
    runId,
  }));
  expect(letters).toEqual([
    { to: [a, c], name: 'tune', payload: { gzip: true } },
    { to: [b], name: 'tune', payload: { gzip: false } },
  ]);
});

it('takes little of the history for each of many', () => {
  const messages = Array.from({ length: 500 }, (_, index) => ({
    to: { ...run(`shop.collection_${index}`), runId: '0197ab3c-6b7e-7d4c-9f7c-2f54a1b0c9de' },
    name: 'groupOutcome',
    payload: { cutover: 1, outcome: { refused: [{ code: 'group', message: 'x'.repeat(70) }] } },
  }));
  expect(JSON.stringify(lettersOf(messages)).length / messages.length).toBeLessThan(110);
});
