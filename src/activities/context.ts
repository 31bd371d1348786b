import type { Db } from 'mongodb';
import type { Connections } from '../connections.js';
import { errorTypes, PermanentError } from '../errors.js';
import type { MigrationMetrics } from '../metrics/migration-metrics.js';
import type { Metrics } from '../metrics/metrics.js';
import type { MemberCalls } from '../member-calls.js';
import type { Migration, Traits } from '../migration.js';
import { type Catalogue, readCatalogue } from '../mongo/catalogue.js';
import { Control } from '../mongo/control.js';
import { CopyPlan } from '../mongo/copy-plan.js';
import type { SharedStreams } from '../mongo/shared-stream.js';
import { Verification } from '../mongo/verification.js';
import { parseNamespace, stagingName } from '../names.js';
import type { Pending } from '../pending-activities.js';
import type { Tools } from '../tools/index.js';
import type { Wakeups } from '../wake.js';

/** What activities need of the worker. */
export interface ActivityDependencies {
  readonly connections: Connections;
  /** Missing on a worker that started without them. */
  readonly tools?: Tools | undefined;
  /** Folder for dump files; each migration has its own in it. */
  readonly dumpFolder: string;
  /** Activities that this worker runs at the same time. */
  readonly maxActivities: number;
  /** Queue that only this host serves. */
  readonly hostQueue: string;
  readonly wakeups: Wakeups;
  /** Change streams of whole databases, for migrations that read them together. */
  readonly sharedStreams: SharedStreams;
  /** Missing where nobody fetches them. */
  readonly metrics?: Metrics | undefined;
  /** Whether a workflow run is still open; nothing when it is not known. */
  readonly isRunning: (workflowId: string, runId: string) => Promise<boolean | undefined>;
  /** A workflow's running activities. */
  readonly readPending: (workflowId: string) => Promise<Pending>;
  /** The workflows of a group's collections. */
  readonly members: MemberCalls;
  /** Whether migrations can be searched for by what `csm setup` registers. */
  readonly hasSearchAttributes: () => Promise<boolean>;
}

/** A migration's collections and state, opened. */
export interface Opened {
  readonly source: Db;
  readonly sourceCollection: string;
  readonly target: Db;
  readonly targetCollection: string;
  readonly staging: string;
  /** Both collections are clustered; nothing where that is not known. */
  readonly clustered?: boolean | undefined;
  readonly control: Control;
  readonly plan: CopyPlan;
  readonly verification: Verification;
  readonly metrics?: MigrationMetrics | undefined;
}

/**
 * Opens what a migration names. Connects at the first command.
 * @throws TransientError InvalidInput when this worker does not know an alias that another one knew.
 */
export function open(
  deps: Pick<ActivityDependencies, 'connections' | 'metrics'>,
  migration: Omit<Migration, 'traits'> & Partial<Pick<Migration, 'traits'>>,
): Opened {
  const { source, target, namespace, targetNamespace } = migration.options;
  deps.connections.require([source, target]);
  const from = parseNamespace(namespace);
  const to = parseNamespace(targetNamespace);
  const targetDb = deps.connections.get(target).db(to.db);
  const { workflowId, runId, round } = migration;
  const stagingTag = migration.traits?.stagingTag;
  const identity = {
    workflowId,
    runId,
    source,
    namespace,
    targetNamespace,
    round,
    stagingTag,
  };
  const metrics = deps.metrics?.of(migration.options);
  const control = new Control(targetDb, identity, (advance) => metrics?.advanced(advance));
  return {
    source: deps.connections.get(source).db(from.db),
    sourceCollection: from.collection,
    target: targetDb,
    targetCollection: to.collection,
    staging: stagingName(to.collection, round, stagingTag),
    clustered: migration.traits?.clustered,
    control,
    plan: new CopyPlan(targetDb, control, (step) => metrics?.copied(step)),
    verification: new Verification(targetDb, control, (differences) =>
      metrics?.differ(differences),
    ),
    metrics,
  };
}

/**
 * Options and indexes of the source collection.
 * @throws PermanentError ChangeStreamEnded when it is no longer there, or another one has its name by now.
 */
export async function readSourceCatalogue(
  { source, sourceCollection }: Opened,
  { sourceUuid }: Pick<Traits, 'sourceUuid'>,
  signal: AbortSignal,
): Promise<Catalogue> {
  const catalogue = await readCatalogue(source, sourceCollection, signal);
  const isKnown = sourceUuid === undefined || catalogue?.uuid?.toHexString() === sourceUuid;
  if (catalogue && isKnown) return catalogue;
  throw new PermanentError(
    errorTypes.streamEnded,
    `${source.databaseName}.${sourceCollection} is no longer at the source: it was dropped or renamed; a ` +
      'migration follows one collection from start to end: start a new one for what is there now',
  );
}
