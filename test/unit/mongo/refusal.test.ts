import { describe, expect, it } from 'vitest';
import { isRefusal, RefusedError, refusalIn, sendSieved } from '../../../src/mongo/refusal.js';

const all = Array.from({ length: 100 }, (_, n) => n);

/** A server of which some documents are not taken: named ones, and ones that end the whole message. */
class Server {
  readonly taken: number[] = [];
  messages = 0;
  readonly #named: readonly number[];
  readonly #unnamed: readonly number[];
  readonly #ordered: boolean;

  constructor(named: readonly number[], unnamed: readonly number[], ordered: boolean) {
    this.#named = named;
    this.#unnamed = unnamed;
    this.#ordered = ordered;
  }

  async send(some: readonly number[]): Promise<{ writeErrors: object[] }> {
    this.messages++;
    if (some.some((n) => this.#unnamed.includes(n))) {
      throw Object.assign(new Error('Invalid BSON column'), { code: 378 });
    }
    const writeErrors: object[] = [];
    for (const [index, n] of some.entries()) {
      if (this.#named.includes(n)) writeErrors.push({ index, code: 52, errmsg: `no ${n}` });
      else if (this.taken.includes(n)) writeErrors.push({ index, code: 11000, errmsg: 'there' });
      else this.taken.push(n);
      if (this.#ordered && writeErrors.length > 0) break;
    }
    return { writeErrors };
  }
}

function sieve(server: Server, ordered: boolean) {
  return sendSieved(all, {
    send: (some) => server.send(some),
    ordered,
    fail: ({ errmsg }) => {
      throw new Error(`failed: ${errmsg}`);
    },
  });
}

describe.each([true, false])('sendSieved, ordered %s', (ordered) => {
  it.each([
    [[], []],
    [[0], []],
    [[99], []],
    [[3, 4, 50], []],
    [[], [0]],
    [[], [99, 98]],
    [
      [7, 8],
      [6, 9, 40],
    ],
    [[], all],
    [all, []],
  ])('finds %j, of which the server says the number, and %j', async (named, unnamed) => {
    const server = new Server(named, unnamed, ordered);
    const refused = await sieve(server, ordered);
    const bad = new Set([...named, ...unnamed]);
    expect([...refused.keys()].toSorted((a, b) => a - b)).toEqual(all.filter((n) => bad.has(n)));
    expect(server.taken).toEqual(all.filter((n) => !bad.has(n)));
    for (const [n, why] of refused) {
      expect(why).toBe(unnamed.includes(n) ? 'Invalid BSON column' : `no ${n}`);
    }
  });

  it('sends one message when there is nothing wrong, and few for one document that is', async () => {
    const good = new Server([], [], ordered);
    await sieve(good, ordered);
    expect(good.messages).toBe(1);
    const bad = new Server([], [63], ordered);
    await sieve(bad, ordered);
    expect(bad.messages).toBeLessThan(20);
  });

  it('goes on after documents that are there', async () => {
    const server = new Server([10], [], ordered);
    server.taken.push(5, 6);
    await sieve(server, ordered);
    expect(server.taken).toHaveLength(99);
  });

  it('tells other errors', async () => {
    const of = (send: () => Promise<object>) =>
      sendSieved(all, {
        send,
        ordered,
        fail: ({ code }) => {
          throw new Error(`code ${code}`);
        },
      });
    const writeErrors = [{ index: 1, code: 14031, errmsg: 'full' }];
    await expect(of(async () => ({ writeErrors }))).rejects.toThrow('code 14031');
    const lost = new Error('connection lost');
    await expect(of(() => Promise.reject(lost))).rejects.toBe(lost);
    // What is wrong with the statement itself is nothing about a document.
    const malformed = Object.assign(new Error('unknown field'), { code: 2 });
    await expect(of(() => Promise.reject(malformed))).rejects.toBe(malformed);
  });
});

it('tells what is about a document from what is not', () => {
  expect([2, 52, 378, 11000, 112, 50, 14031].map((code) => isRefusal({ code }))).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  expect(refusalIn(new RefusedError('why'))).toBe('why');
  expect(refusalIn(Object.assign(new Error('column'), { code: 378 }))).toBe('column');
  expect(refusalIn(Object.assign(new Error('bad'), { code: 2 }))).toBeUndefined();
  expect(refusalIn(new Error('lost'))).toBeUndefined();
});
