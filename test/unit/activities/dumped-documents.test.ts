import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { BSON, Timestamp } from 'mongodb';
import { describe, expect, it, vi } from 'vitest';
import { hasDumpedTimestamps, splitDocuments } from '../../../src/activities/dumped-documents.js';

const documents = [{}, { _id: 1 }, { _id: 2, t: 'x'.repeat(1000) }, { _id: 3 }].map((one) =>
  Buffer.from(BSON.serialize(one)),
);
const file = Buffer.concat(documents);

/** The bytes in chunks of the given size. */
function* chunks(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function split(bytes: Buffer, size: number): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const some of splitDocuments(Readable.from(chunks(bytes, size)))) {
    found.push(...some.map((one) => Buffer.from(one)));
  }
  return found;
}

describe('splitDocuments', () => {
  it.each([1, 2, 3, 4, 5, 7, 64, 1000, 4096])(
    'cuts a dump that comes in chunks of %i',
    async (size) => {
      expect(await split(file, size)).toEqual(documents);
    },
  );

  it('does not join a large document again with each of its chunks', async () => {
    const large = Buffer.from(BSON.serialize({ t: 'x'.repeat(4 * 1024 ** 2) }));
    const concat = vi.spyOn(Buffer, 'concat');
    const [found, ...others] = await split(large, 1_024);
    expect([found?.equals(large), others]).toEqual([true, []]);
    const lists = concat.mock.calls.flatMap(([list]) => list);
    concat.mockRestore();
    const joined = lists.reduce((sum, part) => sum + part.length, 0);
    expect(joined).toBeLessThan(2 * large.length);
  });

  it('finds nothing in an empty dump', async () => {
    expect(await split(Buffer.alloc(0), 5)).toEqual([]);
  });

  it.each([1, 3, 4, 10])('refuses a dump that lacks its last %i bytes', async (missing) => {
    await expect(split(file.subarray(0, file.length - missing), 50)).rejects.toThrow(
      'in the middle of a document',
    );
  });

  it.each([0, 4, -1])('refuses a length that no document has: %i', async (length) => {
    const broken = Buffer.alloc(20);
    broken.writeInt32LE(length);
    const cut = async () => {
      let seen = 0;
      for await (const some of splitDocuments(Readable.from([broken]))) {
        seen += some.length;
        if (seen > 100) throw new Error('it does not end');
      }
    };
    await expect(cut()).rejects.not.toThrow('it does not end');
    await expect(cut()).rejects.toThrow();
  });
});

describe('hasDumpedTimestamps', () => {
  const empty = Buffer.from(BSON.serialize({ _id: 9, at: new Timestamp(0n) }));
  const inner = Buffer.from(BSON.serialize({ _id: 9, in: { at: new Timestamp(0n) } }));

  it.each<[string, Buffer, boolean]>([
    ['none', file, false],
    ['one below the top', Buffer.concat([file, inner]), false],
    ['one at the top of the last document', Buffer.concat([file, empty]), true],
    ['a cut end, of which nobody knows', file.subarray(0, file.length - 3), true],
  ])('looks through %s', async (_what, bytes, expected) => {
    const folder = await mkdtemp(join(tmpdir(), 'csm-dumped-'));
    try {
      const { signal } = new AbortController();
      await writeFile(join(folder, 'raw'), bytes);
      await writeFile(join(folder, 'packed'), gzipSync(bytes));
      const look = (name: string, gzip: boolean) =>
        hasDumpedTimestamps({ file: join(folder, name), gzip, signal, touch: () => undefined });
      expect([await look('raw', false), await look('packed', true)]).toEqual([expected, expected]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
