import { BSON, type Document, Double, Int32, Long, MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startReplicaSet, type ReplicaSet } from '../../../embedded/index.js';
import { readCatalogue } from '../../../src/mongo/catalogue.js';
import { compareCatalogues } from '../../../src/mongo/catalogue-difference.js';
import {
  compareDocuments,
  compareIds,
  type DocumentDifference,
  type Side,
} from '../../../src/mongo/compare.js';
import {
  asBuffer,
  idOf,
  RawValue,
  runCommand,
  runWithDocuments,
  walk,
} from '../../../src/mongo/raw.js';
import { compareAtOnce } from '../../helpers/compare-at-once.js';
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

function documentValue(value: Document): RawValue {
  return RawValue.document(BSON.serialize(value));
}

async function insert({ db, collection }: Side, documents: readonly Uint8Array[]): Promise<void> {
  const reply = await runWithDocuments(db, { insert: collection }, 'documents', documents);
  expect(reply['writeErrors']).toBeUndefined();
}

/** What each way of comparing finds, which has to be the same: of all documents, of some by their `_id`s, and alone. */
async function findInAllWays(ids: readonly RawValue[]): Promise<readonly DocumentDifference[]> {
  const { signal } = new AbortController();
  const { differences } = await compareDocuments(source, target, {}, signal, async () => {});
  const byIds = await compareIds(source, target, ids, signal);
  const keysOf = (found: readonly DocumentDifference[]) => found.map(({ id }) => id.key).toSorted();
  expect(keysOf(byIds)).toEqual(keysOf(differences));
  const tally = await compareAtOnce(source, target, signal);
  const { differing, missing, extra, unsettled } = tally;
  expect({ differing, missing, extra, unsettled }).toEqual({
    differing: differences.length,
    missing: 0,
    extra: 0,
    unsettled: 0,
  });
  return differences;
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
  const differences = await findInAllWays(left.map(idOf));
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
  const differences = await findInAllWays([...body.keys()].map(int));
  const ids = differences.map(({ id }) => asBuffer(id.bytes).readInt32LE());
  expect(ids.toSorted((a, b) => a - b)).toEqual([...body.keys()]);
});

/** What is compared of both sides, one of which is not as the other. */
async function compareShapes(): Promise<string[]> {
  const [left, right] = await Promise.all(
    [source, target].map(({ db, collection }) => readCatalogue(db, collection)),
  );
  if (!left || !right) throw new Error('both were created');
  expect(compareCatalogues(left, left)).toEqual([]);
  return compareCatalogues(left, right).map(({ what }) => what);
}

const filter = (partialFilterExpression: unknown): Document => ({ partialFilterExpression });
const words = (weights: Document): Document => ({ key: { k: 'text' }, weights });
const below = (wildcardProjection: Document): Document => ({
  key: { '$**': 1 },
  wildcardProjection,
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
  ['projection', below({ a: 1 }), { key: { '$**': 1 } }],
  ['a part of its projection', below({ a: 1, b: 1 }), below({ a: 1, c: 1 })],
  ...['version', 'v', 'ns', 'temp', 'uuid', 'background', 'autoIndexId', 'key'].map(
    (name): [string, Document, Document] => [
      `the weight of ${name}`,
      words({ [name]: 5 }),
      words({ [name]: 10 }),
    ],
  ),
  ['a weight more', words({ k: 1, version: 1 }), words({ k: 1 })],
  ['an array or a document', filter({ a: { $eq: [1] } }), filter({ a: { $eq: { 0: 1 } } })],
  ['the order of an array', filter({ a: { $eq: [1, 2] } }), filter({ a: { $eq: [2, 1] } })],
  ['an array or its value', filter({ a: { $eq: [1] } }), filter({ a: { $eq: 1 } })],
  ['a nested array', filter({ a: [[1], 2] }), filter({ a: [[1, 2]] })],
  ['a name that looks like two', filter({ 'a: 1, b': 2 }), filter({ a: 1, b: 2 })],
  ['a name that looks quoted', filter({ '"a"': 1 }), filter({ a: 1 })],
  ['an order within a value', filter({ a: { b: 1, c: 1 } }), filter({ a: { c: 1, b: 1 } })],
  ['text or a number', filter({ a: '1' }), filter({ a: 1 })],
  ['text or null', filter({ a: 'null' }), filter({ a: null })],
  ['a long number', filter({ a: new Long('9007199254740993') }), filter({ a: 2 ** 53 })],
  ['an operator', filter({ a: { $gt: 1 } }), filter({ a: { $gte: 1 } })],
  ['a field named version', filter({ version: 1 }), filter({ version: 2 })],
  ['a nested field named v', filter({ a: { v: 1 } }), filter({ a: { v: 2 } })],
  ['a key named v', { key: { v: 1 } }, { key: { v: -1 } }],
  [
    'case order',
    { collation: { locale: 'de' } },
    { collation: { locale: 'de', caseFirst: 'upper' } },
  ],
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
  expect(await compareShapes()).toEqual(['index "it"']);
});

const clustered = (name: string): Document => ({
  clusteredIndex: { key: { _id: 1 }, unique: true, name },
});
const validator = (value: Document): Document => ({ validator: value });
const typeOf = (value: unknown): Document =>
  validator({ $expr: { $eq: [{ $type: { $literal: value } }, 'int'] } });

it.each<[string, string[], Document, Document]>([
  ['whether it is capped', ['capped', 'size'], { capped: true, size: 4096 }, {}],
  ['size', ['size'], { capped: true, size: 4096 }, { capped: true, size: 8192 }],
  ['max', ['max'], { capped: true, size: 4096, max: 5 }, { capped: true, size: 4096, max: 6 }],
  ['max', ['max'], { capped: true, size: 4096, max: 5 }, { capped: true, size: 4096 }],
  ['locale', ['collation'], { collation: { locale: 'de' } }, { collation: { locale: 'fr' } }],
  ['collation', ['collation'], { collation: { locale: 'de' } }, {}],
  [
    'a part of the collation',
    ['collation'],
    { collation: { locale: 'de', backwards: true } },
    { collation: { locale: 'de' } },
  ],
  ['the clustered index', ['clusteredIndex'], clustered('a'), clustered('b')],
  [
    'images',
    ['changeStreamPreAndPostImages'],
    { changeStreamPreAndPostImages: { enabled: true } },
    {},
  ],
  [
    'expiry',
    ['expireAfterSeconds'],
    { ...clustered('a'), expireAfterSeconds: 5 },
    { ...clustered('a'), expireAfterSeconds: 6 },
  ],
  ['validator', ['validator'], validator({ a: 1 }), {}],
  ['a value of the validator', ['validator'], validator({ a: 1 }), validator({ a: 2 })],
  ['an array in the validator', ['validator'], validator({ a: [1] }), validator({ a: { 0: 1 } })],
  ['the order in the validator', ['validator'], validator({ a: { b: 1, c: 1 } }), validator({ a: { c: 1, b: 1 } })], // prettier-ignore
  ['a field named version', ['validator'], validator({ version: 5 }), validator({ version: 10 })],
  ['a field named uuid', ['validator'], validator({ a: { uuid: 1 } }), validator({ a: {} })],
  ['names that look like others', ['validator'], validator({ 'a: 1, b': 2 }), validator({ a: 1, b: 2 })], // prettier-ignore
  ['the type of an expression', ['validator'], typeOf(new Int32(1)), typeOf(new Double(1))],
  ['the zero of an expression', ['validator'], typeOf(new Double(0)), typeOf(new Double(-0))],
  ['a bound in a schema', ['validator'], validator({ $jsonSchema: { minProperties: 1 } }), validator({ $jsonSchema: { minProperties: 2 } })], // prettier-ignore
  ['validation level', ['validationLevel'], { ...validator({ a: 1 }), validationLevel: 'moderate' }, validator({ a: 1 })], // prettier-ignore
  ['validation action', ['validationAction'], { ...validator({ a: 1 }), validationAction: 'warn' }, validator({ a: 1 })], // prettier-ignore
])('finds a collection that differs in %s: %j', async (_what, names, here, there) => {
  await Promise.all([client.db('left').dropDatabase(), client.db('right').dropDatabase()]);
  await runCommand(source.db, { create: source.collection, ...here });
  await runCommand(target.db, { create: target.collection, ...there });
  const found = await compareShapes();
  expect(found.filter((what) => what.startsWith('option'))).toEqual(
    names.map((name) => `option ${name}`),
  );
});

it('finds a validator in which a name that occurs twice differs the second time', async () => {
  await Promise.all([client.db('left').dropDatabase(), client.db('right').dropDatabase()]);
  const create = ({ db, collection }: Side, second: number) => {
    const bytes = documentOf([
      ['a', documentValue({ $gt: 0 })],
      ['a', documentValue({ $lt: second })],
    ]);
    return runCommand(db, { create: collection, validator: RawValue.document(bytes) });
  };
  await create(source, 5);
  await create(target, 6);
  expect(await compareShapes()).toEqual(['option validator']);
});

it.each<[string, Document, Document]>([
  ['numbers of a key', { key: { k: new Int32(1) } }, { key: { k: new Double(1) } }],
  ['numbers of a filter', filter({ a: new Long(1) }), filter({ a: new Double(1) })],
  ['the order of weights', words({ a: 1, b: 2 }), words({ b: 2, a: 1 })],
  ['the order of a projection', below({ a: 1, b: 1 }), below({ b: 1, a: 1 })],
  ['a collation said in part', { collation: { locale: 'de' } }, { collation: { strength: 3, locale: 'de' } }], // prettier-ignore
  ['a flag that is false', { sparse: false }, {}],
])('takes indexes for equal that differ in no more than %s', async (_what, here, there) => {
  await Promise.all([client.db('left').dropDatabase(), client.db('right').dropDatabase()]);
  for (const [side, options] of [
    [source, here],
    [target, there],
  ] as const) {
    // prettier-ignore
    // prettier-ignore
    const index = { key: { k: 1 }, name: 'it', ...options };
    await runCommand(side.db, { createIndexes: side.collection, indexes: [index] });
  }
  expect(await compareShapes()).toEqual([]);
});
