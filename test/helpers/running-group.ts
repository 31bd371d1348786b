import { ApplicationFailure, type Client, type WorkflowHandle } from '@temporalio/client';
import type { Activities } from '../../src/activities/index.js';
import { type MemberCalls, memberCalls } from '../../src/member-calls.js';
import type { Migration } from '../../src/migration.js';
import type { GroupStatus } from '../../src/workflows/group/status.js';
import type { migrateCollections } from '../../src/workflows/index.js';
import { isFinal } from '../../src/workflows/phases.js';
import type { MigrationStatus } from '../../src/workflows/status.js';
import { FakeActivities, report } from './fake-activities.js';
import type { WorkflowEnvironment } from './workflow-environment.js';

/** The collections that most of these groups have. */
export const names = ['shop.a', 'shop.b', 'shop.c'] as const;

/** Activities of a group that touch no server, but reach the workflows of its collections. */
export function groupFakes(client: Client): FakeActivities {
  const members = memberCalls(client);
  const fakes = new FakeActivities();
  fakes.set('tellMembers', tellThrough(members));
  fakes.set('cutoverTogether', async (_group, { members: going, cutover, force }) => {
    const answers = await Promise.all(
      going.map(async (to) => ({ to, answer: await members.join(to, { cutover, force }) })),
    );
    const refused = answers.flatMap(({ to: { namespace }, answer }) =>
      'refused' in answer ? answer.refused.map((each) => ({ ...each, namespace })) : [],
    );
    if (refused.length > 0) return { refused };
    return { done: { ...report, collections: going.length }, reports: going.map(() => report) };
  });
  return fakes;
}

/** The activity that sends letters, without a server's connection. */
export function tellThrough(members: MemberCalls): Activities['tellMembers'] {
  return async (letters) => {
    const sent = await Promise.all(
      letters.flatMap(({ to, name, payload }) =>
        [to].flat().map((each) => members.signal(each, name, payload)),
      ),
    );
    return sent.filter(Boolean).length;
  };
}

/** A running group, from outside. */
export class RunningGroup {
  readonly handle: WorkflowHandle<typeof migrateCollections>;
  readonly #client: Client;

  constructor(client: Client, handle: WorkflowHandle<typeof migrateCollections>) {
    this.#client = client;
    this.handle = handle;
  }

  async status(): Promise<GroupStatus> {
    return this.handle.query<GroupStatus>('status');
  }

  async until(isWanted: (status: GroupStatus) => boolean): Promise<GroupStatus> {
    return untilStatus(this.handle, isWanted);
  }

  async reaches(phase: GroupStatus['phase']): Promise<GroupStatus> {
    return this.until((status) => status.phase === phase);
  }

  async update(name: string, payload: unknown = {}): Promise<unknown> {
    return this.handle.executeUpdate<unknown, [unknown]>(name, { args: [payload] });
  }

  /** The group is not told when a collection goes on after a cutover that was refused. */
  async childReaches(namespace: string, phase: MigrationStatus['phase']): Promise<void> {
    await untilStatus<MigrationStatus>(this.child(namespace), (status) => status.phase === phase);
  }

  child(namespace: string): WorkflowHandle {
    return this.#client.workflow.getHandle(`migrate:source:${namespace}`);
  }
}

async function untilStatus<S extends GroupStatus | MigrationStatus>(
  handle: WorkflowHandle,
  isWanted: (status: S) => boolean,
): Promise<S> {
  for (;;) {
    const status = await handle.query<S>('status');
    if (isWanted(status)) return status;
    if (isFinal(status.phase)) throw new Error(`ended: ${JSON.stringify(status)}`);
  }
}

/** Starts a group of `names` unless the options say otherwise, of `shop.a` to `shop.d` at most, lets `story` follow it, and ends what is left of it. */
export async function runGroup<T>(
  environment: WorkflowEnvironment,
  fakes: FakeActivities,
  options: object,
  story: (group: RunningGroup) => Promise<T>,
): Promise<T> {
  return environment.runWorkflow<typeof migrateCollections, T>(
    'migrateCollections',
    fakes,
    { source: 'source', target: 'target', copy: 'direct', namespaces: names, ...options },
    async (handle) => {
      const group = new RunningGroup(environment.client, handle);
      try {
        return await story(group);
      } finally {
        // A terminated group asks its collections to end; the next test has the same ids.
        await handle.terminate().catch(() => undefined);
        const all = ['a', 'b', 'c', 'd'].map((each) => group.child(`shop.${each}`));
        await Promise.all(all.map((each) => each.terminate().catch(() => undefined)));
      }
    },
  );
}

/** What a migration moves. */
export function namespaceOf(migration: Pick<Migration, 'options'>): string {
  return migration.options.namespace;
}

/** Lets the migration of a collection fail before its copy. @returns what mends that. */
export function breakCopyOf(namespace: string, fakes: FakeActivities): () => void {
  let isBroken = true;
  fakes.set('planCopy', async (migration) => {
    if (isBroken && namespaceOf(migration) === namespace) {
      throw ApplicationFailure.nonRetryable('the disk is gone', 'PreflightFailed');
    }
    return 1;
  });
  return () => {
    isBroken = false;
  };
}
