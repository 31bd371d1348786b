import type { MigrationStatus } from '../../src/workflows/status.js';
import { buildStatus, initialState } from '../../src/workflows/status.js';
import { parseMigrateCollection } from '../../src/options.js';

/** The status of a migration that has only begun, with these fields instead. */
export function statusOf(fields: Partial<MigrationStatus>): MigrationStatus {
  const parsed = parseMigrateCollection({ source: 'source', target: 'target', namespace: 'a.b' });
  if ('error' in parsed) throw new Error(parsed.error);
  const state = initialState('2026-01-01T00:00:00.000Z');
  return { ...buildStatus(state, { options: parsed.value }), ...fields };
}
