import { parseMigrateCollection } from '../../src/options.js';
import type { Migration } from '../../src/migration.js';

const parsed = parseMigrateCollection({
  source: 'source',
  target: 'target',
  namespace: 'shop.orders',
});
if ('error' in parsed) throw new Error(parsed.error);

/** Options of a migration, all of them defaults. */
export const options = parsed.value;

/** Who a migration is, with default options. */
export const identity: Omit<Migration, 'traits'> = {
  workflowId: 'migrate:source:shop.orders',
  runId: 'run-1',
  options,
};
