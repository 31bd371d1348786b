import { BSON, type Collection, type Db, type Document } from 'mongodb';

/** How many of them one side has. */
export interface Counts {
  readonly indexes: number;
  readonly options: number;
}

/** Result of comparing what a server knows of a collection beside its documents. */
export interface CatalogueCompared {
  readonly source: Counts;
  readonly target: Counts;
  /** A line for each difference. */
  readonly differences: readonly string[];
}

/** Compares indexes and collection options of two collections. @throws MongoServerError */
export async function compareCatalogues(
  source: Collection,
  target: Collection,
): Promise<CatalogueCompared> {
  const [here, there] = await Promise.all([readCatalogue(source), readCatalogue(target)]);
  return {
    source: { indexes: here.indexes.size, options: here.options.size },
    target: { indexes: there.indexes.size, options: there.options.size },
    differences: [
      ...differencesOf('index', here.indexes, there.indexes),
      ...differencesOf('option', here.options, there.options),
    ],
  };
}

/** Names of all collections of a database. @throws MongoServerError */
export async function collectionNames(db: Db): Promise<string[]> {
  const found = await db.listCollections({}, { nameOnly: true }).toArray();
  return found.map(({ name }) => name).filter((name) => !name.startsWith('system.'));
}

interface Catalogue {
  readonly indexes: ReadonlyMap<string, string>;
  readonly options: ReadonlyMap<string, string>;
}

async function readCatalogue(collection: Collection): Promise<Catalogue> {
  const { dbName, collectionName: name } = collection;
  const indexes = await collection.listIndexes().toArray();
  const db = collection.db;
  const [info] = await db.listCollections({ name }, { nameOnly: false }).toArray();
  if (info === undefined) throw new Error(`there is no ${dbName}.${name}`);
  const options: Document = info.options ?? {};
  return {
    indexes: new Map(indexes.map((index) => [String(index['name']), showIndex(index)])),
    options: new Map(Object.entries(options).map(([key, value]) => [key, show(value)])),
  };
}

function differencesOf(
  what: string,
  here: ReadonlyMap<string, string>,
  there: ReadonlyMap<string, string>,
): string[] {
  const names = [...new Set([...here.keys(), ...there.keys()])].toSorted();
  return names.flatMap((name) => {
    const [one, other] = [here.get(name), there.get(name)];
    if (one === other) return [];
    return [`${what} ${name}: ${one ?? 'none'} at the source, ${other ?? 'none'} at the target`];
  });
}

// The order of an index's keys matters, the order in which its options are listed does not. Servers before 4.4 list the
// namespace too.
function showIndex(index: Document): string {
  const sorted = Object.entries(index)
    .filter(([name]) => name !== 'ns')
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  return show(Object.fromEntries(sorted));
}

function show(value: unknown): string {
  return BSON.EJSON.stringify(value, { relaxed: false });
}
