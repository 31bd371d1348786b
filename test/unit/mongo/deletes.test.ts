import { type ClientSession, MongoServerError } from 'mongodb';
import { expect, it } from 'vitest';
import { deleteInParts } from '../../../src/mongo/deletes.js';
import { rawOf } from '../../helpers/bson.js';

const ids = Array.from({ length: 12_000 }, (_, index) => rawOf(index));
const touch = (): void => undefined;
// Only its identity counts here.
const newSession = () => ({}) as ClientSession;

it('deletes a few at first, more while that is quick, and goes on from there in the same session', async () => {
  const session = newSession();
  const sizes: number[] = [];
  const remove = async ({ length }: { readonly length: number }) => void sizes.push(length);
  await deleteInParts(ids, { session, touch }, remove);
  expect(sizes).toEqual([100, 400, 1_600, 5_000, 4_900]);
  await deleteInParts(ids.slice(0, 5_000), { session, touch }, remove);
  expect(sizes.at(-1)).toBe(5_000);
});

it('deletes a few at first also after single ones, which say nothing of many', async () => {
  const session = newSession();
  const sizes: number[] = [];
  const remove = async ({ length }: { readonly length: number }) => void sizes.push(length);
  for (let time = 0; time < 5; time++) {
    await deleteInParts(ids.slice(0, 1), { session, touch }, remove);
  }
  await deleteInParts(ids, { session, touch }, remove);
  expect(sizes.slice(0, 7)).toEqual([1, 1, 1, 1, 1, 100, 400]);
});

it('deletes fewer where the server ends the transaction, and gives up at one', async () => {
  const ended = new MongoServerError({ message: 'exceeded the time limit', code: 290 });
  const sizes: number[] = [];
  const refuse = async (part: readonly unknown[]) => {
    sizes.push(part.length);
    if (part.length > 3) throw ended;
  };
  await deleteInParts(ids.slice(0, 20), { session: newSession(), touch }, refuse);
  expect(sizes.slice(0, 2)).toEqual([20, 2]);
  expect(sizes.reduce((sum, size) => sum + (size > 3 ? 0 : size), 0)).toBe(20);
  const never = async () => Promise.reject(ended);
  await expect(deleteInParts(ids, { session: newSession(), touch }, never)).rejects.toBe(ended);
});
