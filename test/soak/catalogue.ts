import { BSON, type Db, type Document } from 'mongodb';
import type { Difference } from './comparer.js';

/** What a server says of a collection, beside its documents. */
export interface Shape {
  readonly options: Document;
  readonly indexes: readonly Document[];
}

const ABSENT = 'none';
const decoding = { promoteValues: false, bsonRegExp: true };

/**
 * What may differ in an index, and why: `v` and `ns` say how a server stores it. The command that sets an
 * expiry, `collMod`, stores its seconds as a number of another type.
 */
const indexStorage = ['v', 'ns'];
/** What `collMod` writes out where the other side has left the default unsaid. */
const defaultOptions: Document = {
  validator: {},
  validationLevel: 'strict',
  validationAction: 'error',
  changeStreamPreAndPostImages: { enabled: false },
};

/** Reads options and indexes as a server lists them. @throws Error when there is no such collection */
export async function readShape(db: Db, name: string): Promise<Shape> {
  const [found] = await db.listCollections({ name }, decoding).toArray();
  if (!found) throw new Error(`there is no collection ${JSON.stringify(name)}`);
  const indexes = await db.command(
    { listIndexes: name, cursor: { batchSize: 1000 } },
    // The options of decoding hold for the reply of a command too.
    decoding,
  );
  return {
    options: 'options' in found ? (found.options ?? {}) : {},
    indexes: indexes['cursor']['firstBatch'] as Document[],
  };
}

/**
 * Compares options and indexes: types of numbers count too, and the order of keys, as far as JavaScript keeps it,
 * which sorts integer-like ones.
 */
export function compareShapes(source: Shape, target: Shape): Difference[] {
  return [
    ...compareTexts('option', optionTexts(source), optionTexts(target)),
    ...compareTexts('index', indexTexts(source), indexTexts(target)),
  ];
}

function optionTexts({ options }: Shape): Map<string, string> {
  const texts = new Map(Object.entries(options).map(([name, value]) => [name, textOf(value)]));
  for (const [name, value] of Object.entries(defaultOptions)) {
    if (texts.get(name) === textOf(value)) texts.delete(name);
  }
  return texts;
}

function indexTexts({ indexes }: Shape): Map<string, string> {
  return new Map(
    indexes.map((index) => {
      const fields = Object.entries(index)
        .filter(([name]) => !indexStorage.includes(name))
        .map(([name, value]) =>
          name === 'expireAfterSeconds' ? `${name}: ${Number(value)}` : `${name}: ${textOf(value)}`,
        );
      // The order of an index's own fields means nothing; that of its keys does.
      return [JSON.stringify(index['name']), fields.toSorted().join(', ')];
    }),
  );
}

function textOf(value: unknown): string {
  return BSON.EJSON.stringify(value, { relaxed: false });
}

function compareTexts(
  what: string,
  source: ReadonlyMap<string, string>,
  target: ReadonlyMap<string, string>,
): Difference[] {
  return [...new Set([...source.keys(), ...target.keys()])]
    .filter((name) => source.get(name) !== target.get(name))
    .map((name) => ({
      what: `${what} ${name}`,
      source: source.get(name) ?? ABSENT,
      target: target.get(name) ?? ABSENT,
    }));
}
