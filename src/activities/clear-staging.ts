import type { Migration } from '../migration.js';
import { readCatalogue } from '../mongo/catalogue.js';
import { clearPartition, dropCapped } from '../mongo/clear-partition.js';
import type { TakenPartition } from '../mongo/copy-plan.js';
import type { Opened } from './context.js';
import type { Pulse } from './pulse.js';
import { ensureStaging } from './plan-copy.js';

/**
 * Takes away what an earlier attempt has put into the staging collection for a partition.
 * @throws FencedError when another attempt has taken the partition.
 */
export async function clearStaging(
  opened: Opened,
  migration: Pick<Migration, 'traits'>,
  partition: TakenPartition,
  { signal, touch }: Pulse,
): Promise<void> {
  const { target, staging, clustered, plan, control } = opened;
  if (!migration.traits.capped) {
    const clearing = { db: target, staging, clustered, plan, partition };
    return clearPartition({ ...clearing, signal, onMoved: touch });
  }
  // Capped collections before 5.0 do not delete; the whole copy is one partition.
  const found = await readCatalogue(target, staging, signal);
  const { stagingUuid } = await control.read();
  if (found?.uuid && (await target.collection(staging).estimatedDocumentCount()) > 0) {
    await dropCapped(target, staging, found.uuid, plan, partition);
  } else if (found?.uuid && stagingUuid) return;
  // Also where an earlier attempt came no further than the drop: an insert would make a collection without options.
  await control.record({ stagingUuid: null });
  await ensureStaging(opened, migration, signal);
}
