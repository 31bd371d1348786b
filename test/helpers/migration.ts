import type { Db } from 'mongodb';
import { Control } from '../../src/mongo/control.js';
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

/** Claims the target for a migration. */
export async function claimFor(target: Db, migration: Omit<Migration, 'traits'>): Promise<Control> {
  const { workflowId, runId, options: given } = migration;
  const { source, namespace, targetNamespace } = given;
  const control = new Control(target, { workflowId, runId, source, namespace, targetNamespace });
  await control.claim();
  return control;
}
