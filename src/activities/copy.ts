import { rm } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import type { ClientSession } from 'mongodb';
import { makeDumpFolder } from '../dump-folders.js';
import { errorTypes, TransientError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Migration } from '../migration.js';
import { collectionUuid } from '../mongo/buffer.js';
import type { PartitionRecord } from '../mongo/copy-plan.js';
import { copyDirectly } from '../mongo/direct-copy.js';
import { readHello } from '../mongo/hello.js';
import { partitionFilter, partitionQuery } from '../mongo/partitions.js';
import type { Refusal } from '../mongo/refusal.js';
import { Refusals } from '../mongo/refusals.js';
import { dumpPartition, isDocumentsRefused, restorePartition, type Tools } from '../tools/index.js';
import { type ActivityDependencies, open, type Opened } from './context.js';
import { withPulse } from './pulse.js';
import { checkDump, checkDumpSize, isRestored } from './check-dump.js';
import { clearStaging } from './clear-staging.js';
import { chooseDumpMember, copyTime } from './dump-member.js';
import { ProgressWriter } from './copy-progress.js';
import { hasDumpedTimestamps, insertDumped } from './dumped-documents.js';
import { copyLimits } from './live-limits.js';
import { dumpFile } from './dump-files.js';

/** mongorestore's default is 1; 4 is what the copy was measured with. */
const INSERTION_WORKERS = 4;

/** Where a dumped partition lies. */
export interface Dumped {
  readonly partition: number;
  readonly documents: number;
  readonly bytes: number;
  /** Task queue of the host that has the file. */
  readonly hostQueue: string;
}

/** Dumps one partition into a file of this host. Safe to run again: the file is written anew. */
export async function dump(
  deps: ActivityDependencies,
  migration: Migration,
  partition: number,
): Promise<Dumped> {
  const opened = open(deps, migration);
  const tools = requireTools(deps);
  const record = await opened.plan.get(partition);
  const { hostQueue } = deps;
  if (record.copied) return { partition, documents: 0, bytes: 0, hostQueue };
  const status = { doing: `dumping partition ${partition}`, documents: 0 };
  return withPulse(
    () => ({ ...status }),
    async ({ signal, touch }) => {
      const { namespace } = Context.current().info;
      const { workflowId, runId } = migration;
      await makeDumpFolder(deps.dumpFolder, { workflowId, runId, namespace });
      const progress = new ProgressWriter(opened, partition);
      const hello = await readHello(opened.source);
      const { source } = migration.options;
      const member = await chooseDumpMember(deps.connections, migration.options, opened, signal);
      touch();
      const dumped = await dumpPartition({
        binary: tools.mongodump,
        uri: deps.connections.uri(source),
        member,
        database: opened.source.databaseName,
        collection: opened.sourceCollection,
        ...(isWhole(record) ? {} : { query: partitionQuery(record) }),
        file: dumpFile(deps, migration, partition),
        gzip: migration.options.gzip,
        replicaSet: hello['setName'] as string | undefined,
        signal,
        onProgress: ({ documents }) => {
          touch();
          status.documents = documents;
          progress.write({ read: documents });
        },
      });
      await progress.end({ read: dumped.documents, readBytes: dumped.bytes });
      return { partition, documents: dumped.documents, bytes: dumped.bytes, hostQueue };
    },
  );
}

/**
 * Restores a dumped partition into the staging collection and removes its file. Safe to run again:
 * what an earlier attempt restored of this partition is deleted first, and every document of the dump
 * has to be restored or there already.
 */
export async function restore(
  deps: ActivityDependencies,
  migration: Migration,
  dumped: Dumped,
): Promise<{ documents: number }> {
  const opened = open(deps, migration);
  const tools = requireTools(deps);
  const { partition } = dumped;
  const { gzip } = migration.options;
  const { capped: ordered } = migration.traits;
  const record = await opened.plan.take(partition);
  if (record.copied) return { documents: record.written };
  const file = dumpFile(deps, migration, partition);
  const status = { doing: `restoring partition ${partition}`, bytes: 0, of: dumped.bytes };
  return withPulse(
    () => ({ ...status }),
    async ({ signal, touch }) => {
      const written = { file, gzip, documents: dumped.documents };
      await checkDumpSize(written, dumped.bytes);
      await clearStaging(opened, migration, record, { signal, touch });
      const progress = new ProgressWriter(opened, partition);
      const hello = await readHello(opened.target);
      const dumpedDocuments = {
        opened,
        file,
        gzip,
        ordered,
        fence: (session: ClientSession) => opened.plan.fence(record, session),
        signal,
        touch,
        onRefused: keepRefused(opened),
      };
      const restoreExactly = async () => {
        status.doing = `restoring partition ${partition} without mongorestore`;
        await clearStaging(opened, migration, record, { signal, touch });
        const onProgress = (done: number) => progress.write({ written: done });
        return insertDumped({ ...dumpedDocuments, onProgress });
      };
      const look = new AbortController();
      const restoring = restorePartition({
        binary: tools.mongorestore,
        uri: deps.connections.uri(migration.options.target),
        database: opened.target.databaseName,
        collection: opened.staging,
        file,
        gzip,
        insertionWorkers: INSERTION_WORKERS,
        ordered,
        replicaSet: hello['setName'] as string | undefined,
        signal,
        onProgress: ({ bytes, total }) => {
          touch();
          Object.assign(status, { bytes, of: total });
          const share = total > 0 ? bytes / total : 0;
          progress.write({ written: Math.floor(dumped.documents * share) });
        },
      }).catch(async (error: unknown) => {
        look.abort();
        if (!signal.aborted) await checkDump(written, { signal, touch });
        if (!isDocumentsRefused(error)) throw error;
        return undefined;
      });
      const looking = hasDumpedTimestamps({
        file,
        gzip,
        signal: AbortSignal.any([signal, look.signal]),
        touch,
      });
      const [restored, hasTimestamps] = await Promise.all([restoring, looking]);
      const isComplete = restored && isRestored(dumped.documents, restored);
      if (restored && !isComplete) {
        await checkDump(written, { signal, touch });
        Context.current().log.warn('mongorestore is not enough', { partition, restored });
      }
      // mongorestore lets servers put their time for an empty timestamp, and from 100.12 on mends it on the primary alone.
      const isEnough = isComplete && !hasTimestamps;
      const { documents } = isEnough ? restored : await restoreExactly();
      await progress.settled();
      failpoint('partition-copied');
      await opened.plan.finish(record, { written: documents, copied: true });
      await rm(file, { force: true });
      return { documents };
    },
  );
}

/** Copies one partition from server to server. Safe to run again: it starts the partition anew. */
export async function copyPartition(
  deps: ActivityDependencies,
  migration: Migration,
  partition: number,
): Promise<{ documents: number; bytes: number }> {
  const opened = open(deps, migration);
  const record = await opened.plan.take(partition);
  if (record.copied) return { documents: record.written, bytes: record.readBytes };
  const status = { doing: `copying partition ${partition}`, documents: 0, bytes: 0 };
  return withPulse(
    () => ({ ...status }),
    async ({ signal, touch }) => {
      await clearStaging(opened, migration, record, { signal, touch });
      const progress = new ProgressWriter(opened, partition);
      const copied = await copyDirectly({
        source: (await deps.connections.pinned(migration.options.source)).db(
          opened.source.databaseName,
        ),
        sourceCollection: opened.sourceCollection,
        target: opened.target,
        targetCollection: opened.staging,
        targetUuid: await collectionUuid(opened.target, opened.staging),
        filter: partitionFilter(record),
        after: await copyTime(opened, migration.options),
        ordered: migration.traits.capped,
        clustered: opened.clustered,
        fence: (session) => opened.plan.fence(record, session),
        signal,
        touch,
        limits: await copyLimits(opened, migration.options),
        onRefused: keepRefused(opened),
        onProgress: ({ documents, bytes }) => {
          touch();
          Object.assign(status, { documents, bytes });
          progress.write({ read: documents, readBytes: bytes, written: documents });
        },
      });
      const { documents, bytes } = copied;
      await progress.settled();
      failpoint('partition-copied');
      const amounts = { read: documents, readBytes: bytes, written: documents };
      await opened.plan.finish(record, { ...amounts, copied: true });
      return copied;
    },
  );
}

/** Keeps documents in mind that the target does not take. */
function keepRefused({ control }: Opened): (refused: readonly Refusal[]) => Promise<void> {
  const refusals = new Refusals(control, (session) => control.fenceCopy(session));
  return (refused) => refusals.settle(refused, []);
}

function requireTools(deps: ActivityDependencies): Tools {
  if (deps.tools) return deps.tools;
  throw new TransientError(
    errorTypes.toolFailed,
    'mongodump and mongorestore are not on this worker: install the MongoDB Database Tools and start it again',
  );
}

function isWhole({ min, max }: PartitionRecord): boolean {
  return min === undefined && max === undefined;
}
