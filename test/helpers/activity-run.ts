import { MockActivityEnvironment } from '@temporalio/testing';
import type { ActivityDependencies } from '../../src/activities/context.js';
import { Connections } from '../../src/connections.js';
import { Secret } from '../../src/secret.js';
import { SharedStreams } from '../../src/mongo/shared-stream.js';
import { Wakeups } from '../../src/wake.js';
import { takenAs } from './taken-as.js';

/** Runs what an activity does, with source and target at one server. */
export async function runActivity<T>(
  uri: string,
  work: (deps: ActivityDependencies) => Promise<T>,
): Promise<T> {
  const uris = ['source', 'target'].map((alias) => [alias, new Secret(uri)] as const);
  const connections = Connections.from({ uris: new Map(uris) });
  const environment = new MockActivityEnvironment({
    currentAttemptScheduledTimestampMs: Date.now(),
  });
  try {
    const deps = takenAs<ActivityDependencies>({
      connections,
      wakeups: new Wakeups(),
      sharedStreams: new SharedStreams(),
    });
    return await environment.run(() => work(deps));
  } finally {
    await connections.close();
  }
}
