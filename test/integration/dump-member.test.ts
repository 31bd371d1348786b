import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startReplicaSet } from '../../embedded/index.js';
import { chooseDumpMember } from '../../src/activities/dump-member.js';
import { Connections } from '../../src/connections.js';
import { readStartToken } from '../../src/mongo/change-stream.js';
import { Secret } from '../../src/secret.js';
import { controlOf, must } from '../helpers/data-path.js';

const { signal } = new AbortController();

let source: Awaited<ReturnType<typeof startReplicaSet>>;
let client: MongoClient;
let connections: Connections;

beforeAll(async () => {
  source = await startReplicaSet({
    name: 'dump',
    members: 3,
    args: ['--setParameter', 'enableTestCommands=1'],
  });
  client = new MongoClient(source.uri);
  const uris = {
    plain: source.uri,
    secondary: `${source.uri}&readPreference=secondary`,
  };
  const secrets = Object.entries(uris).map(([alias, uri]) => [alias, new Secret(uri)] as const);
  connections = Connections.from({ uris: new Map(secrets) });
}, 120_000);

afterAll(async () => {
  await client?.close();
  await connections?.close();
  await source?.stop();
});

/** A migration whose start position is after everything that is at the source now. */
async function opened() {
  const control = controlOf(client.db('target'), 'orders');
  await control.claim();
  const db = client.db('shop');
  await control.fixStart(await readStartToken(db, 'orders', signal));
  return { control, source: db, sourceCollection: 'orders' };
}

it('is one that has what was before the start position, and no other', async () => {
  const orders = client.db('shop').collection<{ _id: number }>('orders');
  await orders.insertMany([{ _id: 1 }, { _id: 2 }], { writeConcern: { w: 3 } });
  const primary = await source.primary();
  const [late, other] = source.members.filter((member) => member !== primary);
  const direct = new MongoClient(`mongodb://${must(late).host}/?directConnection=true`);
  try {
    const setStopped = (mode: 'alwaysOn' | 'off') =>
      direct.db('admin').command({ configureFailPoint: 'stopReplProducer', mode });
    await setStopped('alwaysOn');
    await orders.deleteOne({ _id: 2 }, { writeConcern: { w: 'majority' } });
    const migration = await opened();
    expect(
      await chooseDumpMember(connections, { source: 'plain', token: 'stream' }, migration, signal),
    ).toBeUndefined();
    await must(other).stop();
    let chosen: string | undefined;
    const choosing = chooseDumpMember(
      connections,
      { source: 'secondary', token: 'stream' },
      migration,
      signal,
    ).then((member) => {
      chosen = member;
    });
    // A dump that began now would have the deleted document.
    await sleep(2_000);
    expect(chosen).toBeUndefined();
    expect(await direct.db('shop').collection('orders').countDocuments()).toBe(2);
    await setStopped('off');
    await choosing;
    expect(chosen).toBe(must(late).host);
    expect(await direct.db('shop').collection('orders').countDocuments()).toBe(1);
  } finally {
    await direct.close();
    await must(other).start();
  }
}, 120_000);
