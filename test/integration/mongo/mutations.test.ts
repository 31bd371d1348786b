import { type Document, MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startReplicaSet, type ReplicaSet } from '../../../embedded/index.js';
import { readCatalogue } from '../../../src/mongo/catalogue.js';
import { compareCatalogues } from '../../../src/mongo/catalogue-difference.js';
import { compareDocuments, type Side } from '../../../src/mongo/compare.js';
import { asBuffer, RawValue, runCommand, runWithDocuments, walk } from '../../../src/mongo/raw.js';
import { documentOf, double, type Field, int, long, text } from '../../soak/bytes.js';
import { Dice } from '../../soak/dice.js';
import { newDocument } from '../../soak/documents.js';
import { idSeries } from '../../soak/ids.js';

const DOCUMENTS = 400;

let server: ReplicaSet;
let client: MongoClient;
let source: Side;
let target: Side;

beforeAll(async () => {
  server = await startReplicaSet({ name: 'mutations' });
  client = new MongoClient(server.uri, { enableUtf8Validation: false });
  source = { db: client.db('left'), collection: 'c' };
  target = { db: client.db('right'), collection: 'c' };
});

afterAll(async () => {
  await client?.close();
  await server?.stop();
});

/** The fields of a document with the bytes of their names, doubled ones too. */
function fieldsOf(document: Buffer): [Uint8Array, RawValue][] {
  const found: [Uint8Array, RawValue][] = [];
  walk(document, 0, (type, nameStart, nameEnd, valueStart, valueEnd) => {
    const value = new RawValue(type, document.subarray(valueStart, valueEnd));
    found.push([document.subarray(nameStart, nameEnd), value]);
  });
  return found;
}

/** One way to change a document a little, with its `_id` first and left alone. */
type Mutation = (fields: Field[], at: number, dice: Dice) => Field[];

const mutations: Readonly<Record<string, Mutation>> = {
  byte: (fields, _at, dice) => [
    ...fields,
    ['t', text(dice.pick(['tex ', 'Text', 'texu', 'ttex']))],
  ],
  type: (fields, _at, dice) => [...fields, ['n', dice.pick([long(5), double(5)])]],
  'field order': (fields, at) => {
    const [moved] = fields.splice(at, 1);
    return moved ? [...fields, ['last', int(1)], moved] : fields;
  },
  'one field less': (fields, at) => fields.toSpliced(at, 1),
  'one field more': (fields, at) => fields.toSpliced(at, 0, ['more', int(0)]),
  name: (fields, at) => fields.map(([name, value], n) => (n === at ? ['other name', value] : [name, value])), // prettier-ignore
  value: (fields, at) => fields.map(([name], n) => (n === at ? [name, text('another')] : [name, fields[n]?.[1] ?? int(0)])), // prettier-ignore
};

async function insert({ db, collection }: Side, documents: readonly Uint8Array[]): Promise<void> {
  const reply = await runWithDocuments(db, { insert: collection }, 'documents', documents);
  expect(reply['writeErrors']).toBeUndefined();
}

it('finds each of many documents in which one thing is other, and no more', async () => {
  const dice = new Dice('mutations', 1);
  const names = Object.keys(mutations);
  const [left, right]: [Buffer[], Buffer[]] = [[], []];
  const changed = new Map<string, string>();
  for (let n = 0; n < DOCUMENTS; n++) {
    const id = idSeries.mixed(n, dice).value;
    const own = newDocument(id, n, dice, { odd: 0.5, dollarNames: true });
    const isId = ([name]: Field) => Buffer.from(name).equals(Buffer.from('_id'));
    const rest = fieldsOf(own).filter((field) => !isId(field));
    const usual: Field[] = [['_id', id], ['t', text('text')], ['n', int(5)], ...rest];
    left.push(documentOf(usual));
    const name = dice.chance(0.5) ? dice.pick(names) : undefined;
    const mutate = name === undefined ? undefined : mutations[name];
    const withoutMarks = name === 'byte' || name === 'type';
    const [first, ...others] = withoutMarks
      ? usual.filter(([field]) => field !== (name === 'byte' ? 't' : 'n'))
      : usual;
    if (!first) throw new Error('a document has an _id');
    const mutated = mutate
      ? [first, ...mutate([...others], dice.below(others.length), dice)]
      : usual;
    right.push(documentOf(mutated));
    if (name !== undefined) changed.set(id.key, name);
  }
  await insert(source, left);
  await insert(target, right);
  const { signal } = new AbortController();
  const { differences } = await compareDocuments(source, target, {}, signal, async () => {});
  expect(changed.size).toBeGreaterThan(DOCUMENTS / 3);
  const found = new Map(differences.map(({ id, kind }) => [id.key, kind]));
  for (const [id, what] of changed) expect(found.get(id), what).toBe('differs');
  expect(found.size).toBe(changed.size);
});

it('finds each single byte that is other in one document', async () => {
  const body = Buffer.from('0123456789abcdef'.repeat(4), 'hex');
  const whole = (id: number, bytes: Buffer) =>
    documentOf([
      ['_id', int(id)],
      ['a', new RawValue(0x05, Buffer.concat([Buffer.from([32, 0, 0, 0, 0]), bytes]))],
    ]);
  await Promise.all([client.db('left').dropDatabase(), client.db('right').dropDatabase()]);
  await insert(
    source,
    [...body.keys()].map((at) => whole(at, body)),
  );
  await insert(
    target,
    [...body.keys()].map((at) => {
      const other = Buffer.from(body);
      other[at] = (other[at] ?? 0) ^ (1 << (at % 8));
      return whole(at, other);
    }),
  );
  const { signal } = new AbortController();
  const { differences } = await compareDocuments(source, target, {}, signal, async () => {});
  const ids = differences.map(({ id }) => asBuffer(id.bytes).readInt32LE());
  expect(ids.toSorted((a, b) => a - b)).toEqual([...body.keys()]);
});

it.each<[string, Document, Document]>([
  ['unique', { unique: true }, {}],
  ['sparse', { sparse: true }, {}],
  ['hidden', { hidden: true }, {}],
  ['expireAfterSeconds', { expireAfterSeconds: 60 }, { expireAfterSeconds: 61 }],
  ['expireAfterSeconds', { expireAfterSeconds: 60 }, {}],
  ['a filter', { partialFilterExpression: { a: 1 } }, { partialFilterExpression: { a: 2 } }],
  ['a filter', { partialFilterExpression: { a: 1 } }, {}],
  ['collation', { collation: { locale: 'de' } }, { collation: { locale: 'de', strength: 2 } }],
  ['direction', { key: { k: 1 } }, { key: { k: -1 } }],
  ['the order of keys', { key: { k: 1, l: 1 } }, { key: { l: 1, k: 1 } }],
  ['kind', { key: { k: 1 } }, { key: { k: 'hashed' } }],
  ['weights', { key: { k: 'text' }, weights: { k: 2 } }, { key: { k: 'text' }, weights: { k: 3 } }],
  ['language', { key: { k: 'text' }, default_language: 'german' }, { key: { k: 'text' } }],
  ['bounds', { key: { k: '2d' }, min: -10, max: 10 }, { key: { k: '2d' }, min: -10, max: 11 }],
  ['projection', { key: { '$**': 1 }, wildcardProjection: { a: 1 } }, { key: { '$**': 1 } }],
])('finds an index that differs in %s: %j and %j', async (_what, here, there) => {
  await Promise.all([client.db('left').dropDatabase(), client.db('right').dropDatabase()]);
  for (const [side, options] of [
    [source, here],
    [target, there],
  ] as const) {
    // prettier-ignore
    const index = { key: { k: 1 }, name: 'it', ...options };
    await runCommand(side.db, { createIndexes: side.collection, indexes: [index] });
  }
  const [left, right] = await Promise.all(
    [source, target].map(({ db, collection }) => readCatalogue(db, collection)),
  );
  if (!left || !right) throw new Error('both were created');
  expect(compareCatalogues(left, right).map(({ what }) => what)).toEqual(['index "it"']);
  expect(compareCatalogues(left, left)).toEqual([]);
});
