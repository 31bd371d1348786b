import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it } from 'vitest';
import { tellMembers } from '../../../src/activities/group/tell-members.js';
import type { MemberCalls } from '../../../src/member-calls.js';
import { takenAs } from '../../helpers/taken-as.js';

it('tells all that can be told, and then fails for one that cannot', async () => {
  const heard: string[] = [];
  const members = takenAs<MemberCalls>({
    signal: async ({ workflowId }: { workflowId: string }) => {
      if (workflowId === 'b') throw new Error('it has had too many signals');
      heard.push(workflowId);
      return true;
    },
  });
  const to = Array.from('abcdefghijklmnop', (workflowId) => ({ workflowId, runId: workflowId }));
  const telling: Promise<unknown> = new MockActivityEnvironment().run(() =>
    tellMembers({ members }, [{ to, name: 'pause' }]),
  );
  await expect(telling).rejects.toThrow('too many signals');
  expect(heard.toSorted().join('')).toBe('acdefghijklmnop');
});
