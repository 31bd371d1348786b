import { BSON } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { obtainOldMongod } from '../../embedded/index.js';
import { RawValue, runWithDocuments } from '../../src/mongo/raw.js';
import { isRefusal } from '../../src/mongo/refusal.js';
import { binary, documentOf, int, object } from '../soak/bytes.js';
import { featuresOf } from '../soak/collections.js';
import { Environment } from './environment.js';

/** A compressed column, of which later releases look at the content: this one has none. */
const column = binary(7, Buffer.from('00112233', 'hex'));
const isObtainable = process.platform === 'linux' && process.arch === 'x64';
const PLAIN = 2_000;

let environment: Environment;
/** Whether the source is a release that does not look. */
let isStored: boolean;

const odd = (id: number) => documentOf([['_id', int(id)], ['odd', column]]); // prettier-ignore

async function insert(name: string, ...bytes: readonly Uint8Array[]): Promise<void> {
  const { sourceClient } = environment;
  await runWithDocuments(sourceClient.db('shop'), { insert: name }, 'documents', bytes);
}

async function replace(name: string, _id: number, document: Uint8Array): Promise<void> {
  const update = BSON.serialize({ q: { _id }, u: RawValue.document(document), upsert: true });
  await runWithDocuments(environment.sourceClient.db('shop'), { update: name }, 'updates', [
    update,
  ]);
}

function documents(from: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, n) => documentOf([['_id', int(from + n)]]));
}

describe.skipIf(!isObtainable)('a target that does not take all of the source’s documents', () => {
  beforeAll(async () => {
    const older = await obtainOldMongod('6.0.27', () => {});
    environment = await Environment.start({ target: { binary: older } });
    environment.startWorker();
    isStored = await insert('probe', odd(1)).then(
      () => true,
      (error: unknown) => {
        if (!isRefusal(error)) throw error;
        return false;
      },
    );
  });

  beforeEach(({ skip }) => skip(!isStored, 'the source does not take it either'));

  afterAll(async () => {
    await environment?.stop();
  });

  it.for([
    ['dump', false],
    ['dump', true],
    ['direct', false],
    ['direct', true],
  ] as const)(
    'gets the others, by copy %s, capped %s, and the cutover waits',
    async ([copy, capped], { skip }) => {
      const { growth } = featuresOf(...(await environment.versions()));
      skip(capped && !growth, 'a document of a capped collection cannot grow at the source');
      const name = `${copy}${capped ? ' capped' : ''}`;
      const size = capped ? { capped, size: 16 * 1024 * 1024 } : {};
      await environment.sourceClient.db('shop').createCollection(name, size);
      await insert(name, ...documents(1000, PLAIN), odd(1), ...documents(5000, PLAIN));
      const handle = await environment.migrate(name, { copy });
      const first = await environment.until(
        handle,
        'one refused',
        ({ refused }) => refused !== null,
      );
      expect(first.refused).toMatchObject({
        count: 1,
        first: [{ id: '1', why: expect.stringContaining('Invalid BSON column') }],
      });

      // Changes, of which some are taken and some are not, in one message with others.
      await insert(name, ...documents(20, 10), odd(2), odd(3), ...documents(40, 10));
      await replace(name, 1005, documentOf([['_id', int(1005)], ['below', object(['odd', column])]])); // prettier-ignore
      const more = await environment.until(handle, 'four', ({ refused }) => refused?.count === 4);
      expect(more.refused?.first.map(({ id }) => id).toSorted()).toEqual(['1', '1005', '2', '3']);
      const found = await environment.until(handle, 'differences', ({ verification }) =>
        [3, 1].every(
          (n, at) => n === [verification.report?.missing, verification.report?.differing][at],
        ),
      );
      expect(found.blockers.map(({ code }) => code).toSorted()).toEqual(['differences', 'refused']);
      const refused = handle.executeUpdate('cutover', { args: [{}] });
      await expect(refused).rejects.toMatchObject({
        cause: { message: expect.stringContaining('does not take 4 of the source') },
      });

      // A person mends them at the source, one after the other in the ways that there are.
      const plain = (id: number) => documentOf([['_id', int(id)], ['odd', int(0)]]); // prettier-ignore
      for (const id of [1, 1005, 2]) await replace(name, id, plain(id));
      if (capped) await replace(name, 3, plain(3));
      else
        await environment.sourceClient
          .db('shop')
          .collection(name)
          .deleteOne({ _id: 3 as never });
      const status = await environment.cutOver(handle);
      expect(status).toMatchObject({ phase: 'completed', refused: null });
      const [source, target] = await environment.hashes(name);
      expect(target).toBe(source);
      expect(await environment.leftovers()).toEqual([]);
    },
  );

  it('can be cut over to by those who name what they give up', async () => {
    const name = 'forced';
    await insert(name, ...documents(1000, 100), odd(1));
    const handle = await environment.migrate(name, { copy: 'direct', verify: 'none' });
    await environment.until(
      handle,
      'ready',
      ({ phase, refused }) => phase === 'ready' && !!refused,
    );
    await expect(handle.executeUpdate('cutover', { args: [{}] })).rejects.toThrow();
    await handle.executeUpdate('cutover', { args: [{ force: ['refused'] }] });
    expect(await handle.result()).toMatchObject({
      phase: 'completed',
      refused: { count: 1, first: [{ id: '1' }] },
    });
  });
});
