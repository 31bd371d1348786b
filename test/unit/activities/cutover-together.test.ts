import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import type { ActivityDependencies } from '../../../src/activities/context.js';
import {
  cutoverTogether,
  type GroupCutoverOrder,
} from '../../../src/activities/group/cutover-together.js';
import type { Group } from '../../../src/group.js';
import { takenAs } from '../../helpers/taken-as.js';

const silence = { code: 'unknown', message: 'its workflow does not answer' };
const members = [{ namespace: 'shop.a', workflowId: 'a', runId: 'a' }];

async function attempt(
  info: { attempt: number },
  blocker = silence,
  more: Partial<GroupCutoverOrder> = {},
): Promise<unknown> {
  const deps = takenAs<ActivityDependencies>({
    members: { join: async () => ({ refused: [blocker] }) },
  });
  const order = { cutover: 1, members, force: [], ...more };
  const environment = new MockActivityEnvironment(info);
  return environment.run(async () => cutoverTogether(deps, takenAs<Group>({}), order));
}

const refused = { refused: [{ namespace: 'shop.a', ...silence }] };

describe('a collection that gives no answer', () => {
  it('refuses the cutover, and is named: an attempt before may hold it', async () => {
    expect(await attempt({ attempt: 1 })).toEqual({ ...refused, held: ['shop.a'] });
    const notAfter = new Date(Date.now() - 60_000).toISOString();
    for (const number of [1, 2]) {
      const answer = await attempt({ attempt: number }, silence, { notAfter });
      expect(answer).toMatchObject({ held: ['shop.a'] });
    }
  });

  it('is not named where it has answered', async () => {
    const lag = { code: 'lag', message: 'far behind' };
    const answer = await attempt({ attempt: 2 }, lag);
    expect(answer).toMatchObject({ refused: [lag] });
    expect(answer).not.toHaveProperty('held');
  });
});
