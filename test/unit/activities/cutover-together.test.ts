import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import type { ActivityDependencies } from '../../../src/activities/context.js';
import { cutoverTogether } from '../../../src/activities/group/cutover-together.js';
import type { Group } from '../../../src/group.js';
import { takenAs } from '../../helpers/taken-as.js';

const silence = { code: 'unknown', message: 'its workflow does not answer' };
const members = [{ namespace: 'shop.a', workflowId: 'a', runId: 'a' }];

async function attempt(
  info: { attempt: number; heartbeatDetails?: unknown },
  blocker = silence,
): Promise<unknown> {
  const deps = takenAs<ActivityDependencies>({
    members: { join: async () => ({ refused: [blocker] }) },
  });
  const order = { cutover: 1, members, force: [] };
  const environment = new MockActivityEnvironment(info);
  return environment.run(async () => cutoverTogether(deps, takenAs<Group>({}), order));
}

const refused = { refused: [{ namespace: 'shop.a', ...silence }] };

describe('a collection that gives no answer', () => {
  it('refuses the cutover', async () => {
    expect(await attempt({ attempt: 1 })).toEqual(refused);
  });

  it('is asked again where an attempt before may hold it, and not for ever', async () => {
    await expect(attempt({ attempt: 2 })).rejects.toThrow('shop.a: its workflow does not answer');
    const since = (ms: number) => ({ silentSince: Date.now() - ms });
    const soon = attempt({ attempt: 20, heartbeatDetails: since(60_000) });
    await expect(soon).rejects.toThrow('asked again');
    expect(await attempt({ attempt: 3, heartbeatDetails: since(200_000) })).toEqual(refused);
  });

  it('is not waited for where another reason speaks against it', async () => {
    const lag = { code: 'lag', message: 'far behind' };
    expect(await attempt({ attempt: 2 }, lag)).toMatchObject({ refused: [lag] });
  });
});
