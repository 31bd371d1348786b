/**
 * Names that people, scripts and dashboards depend on. They never change: a rename would strand
 * running migrations and break every saved command.
 */

/** Workflow types that migrate: one collection, and many together. */
export const migrationTypes = ['migrateCollection', 'migrateCollections'] as const;

/** Workflow types of this product. */
export const workflowTypes = [...migrationTypes, 'verifyCollection', 'preflight'] as const;

/** Task queue that every worker serves. */
export const TASK_QUEUE = 'changestream-migration';

/** Collection of the target database that holds one control document per migration. */
export const CONTROL_COLLECTION = 'cdc';

/** Queue that only the workers of one host serve, so that a dump is restored where its files are. */
export function hostQueue(host: string): string {
  return `${TASK_QUEUE}@${host}`;
}

/** Buffer of a collection's changes in the target database: `cdc.<coll>`, as the old scripts had it. */
export function bufferName(collection: string): string {
  return `${CONTROL_COLLECTION}.${collection}`;
}

/**
 * Collection that the copy fills before it is renamed to its final name. The prefix cannot collide
 * with the buffer of any collection, whatever that collection is called.
 * @param round of the copy: what an earlier one still writes must not meet a later one's.
 * @param tag of the run, for the same reason: a mongorestore may outlive its migration. Missing in those that
 * began before there was one.
 */
export function stagingName(collection: string, round = 0, tag?: string): string {
  const parts = [...(round === 0 ? [] : [round]), ...(tag === undefined ? [] : [tag])];
  return `${[`${CONTROL_COLLECTION}-staging`, ...parts].join('-')}.${collection}`;
}

/** Names of a collection's staging collections, of whichever round and run. */
export function stagingNames(collection: string): RegExp {
  const name = literally(collection);
  return new RegExp(`^${CONTROL_COLLECTION}-staging(-\\d+)?(-[0-9a-f]{8})?\\.${name}$`, 'u');
}

/** A text in a regular expression that stands for itself. */
export function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Database and collection of a namespace; the collection may itself contain dots. */
export interface Namespace {
  readonly db: string;
  readonly collection: string;
}

/** Splits `shop.orders.archive` into `shop` and `orders.archive`. */
export function parseNamespace(namespace: string): Namespace {
  const dot = namespace.indexOf('.');
  return { db: namespace.slice(0, dot), collection: namespace.slice(dot + 1) };
}

/** Workflow id by convention: two starts for one source namespace meet in it. */
export function workflowId(source: string, namespace: string): string {
  return `migrate:${source}:${namespace}`;
}

/** Longer ids of groups name the first pattern only. */
const MOST_LETTERS = 200;

/** Workflow id of a group by convention. */
export function groupId(source: string, namespaces: readonly string[]): string {
  const id = workflowId(source, namespaces.join(','));
  const [first = '', ...others] = namespaces;
  if (id.length <= MOST_LETTERS || others.length === 0) return id;
  return workflowId(source, `${first},…${others.length}`);
}
