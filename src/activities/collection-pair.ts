import type { Comparison } from '../comparison.js';
import { errorTypes, PermanentError } from '../errors.js';
import { type Catalogue, readCatalogue } from '../mongo/catalogue.js';
import type { Side } from '../mongo/compare.js';
import { parseNamespace } from '../names.js';
import { isSameDeployment, readDeployment } from '../preflight/deployment.js';
import type { ActivityDependencies } from './context.js';

/** Two collections to compare. */
export interface Pair {
  readonly source: Side;
  readonly target: Side;
}

/** What the servers know of two collections. */
export interface SeenPair {
  readonly source: Catalogue;
  readonly target: Catalogue;
  /** Another text once one of them is dropped and made anew. */
  readonly key: string;
}

/** Opens what a comparison names. Connects at the first command. */
export function openPair(
  { connections }: Pick<ActivityDependencies, 'connections'>,
  options: Comparison['options'],
): Pair {
  const open = (alias: string, namespace: string): Side => {
    const { db, collection } = parseNamespace(namespace);
    return { db: connections.get(alias).db(db), collection };
  };
  return {
    source: open(options.source, options.namespace),
    target: open(options.target, options.targetNamespace),
  };
}

/**
 * Reads options and indexes of both.
 * @throws PermanentError NotComparable when one is missing, a view or a time series, or when both are
 * the same collection.
 */
export async function readPair(pair: Pair, signal: AbortSignal): Promise<SeenPair> {
  const read = ({ db, collection }: Side) => readCatalogue(db, collection, signal);
  const [source, target] = await Promise.all([read(pair.source), read(pair.target)]);
  const problems = [problemOf('source', pair.source, source), problemOf('target', pair.target, target)]; // prettier-ignore
  const found = problems.filter((problem) => problem !== undefined);
  if (!source || !target || found.length > 0) throw notComparable(found.join('; '));
  if (source.uuid && target.uuid?.equals(source.uuid)) await refuseSame(pair, signal);
  return { source, target, key: `${source.uuid?.toHexString()} ${target.uuid?.toHexString()}` };
}

function problemOf(
  side: 'source' | 'target',
  { db, collection }: Side,
  catalogue: Catalogue | undefined,
): string | undefined {
  const namespace = `${db.databaseName}.${collection}`;
  if (!catalogue) {
    return `there is no collection ${namespace} at the ${side}; check the name, upper and lower case too`;
  }
  if (catalogue.type === 'collection') return undefined;
  const what = catalogue.type === 'view' ? 'a view' : 'a time series collection';
  return `${namespace} at the ${side} is ${what}, whose documents have no _id of their own to compare by`;
}

/** The same uuid alone is no proof: a restored copy may have kept it. */
async function refuseSame({ source, target }: Pair, signal: AbortSignal): Promise<void> {
  const [one, other] = await Promise.all([
    readDeployment(source.db.client, signal),
    readDeployment(target.db.client, signal),
  ]);
  if (!isSameDeployment(one, other)) return;
  throw notComparable(
    'source and target lead to one and the same collection; correct one of the two connections',
  );
}

function notComparable(message: string): PermanentError {
  return new PermanentError(errorTypes.notComparable, message);
}
