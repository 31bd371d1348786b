import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it } from 'vitest';
import { tellMembers } from '../../../src/activities/group/tell-members.js';
import type { MemberCalls } from '../../../src/member-calls.js';
import { takenAs } from '../../helpers/taken-as.js';

it('tells no more once another attempt does', async () => {
  const environment = new MockActivityEnvironment();
  const heard: string[] = [];
  const members = takenAs<MemberCalls>({
    signal: async ({ workflowId }: { workflowId: string }) => {
      heard.push(workflowId);
      environment.cancel();
      return true;
    },
  });
  const to = Array.from({ length: 100 }, (_, n) => ({ workflowId: `${n}`, runId: `${n}` }));
  const telling: Promise<unknown> = environment.run(() =>
    tellMembers({ members }, [{ to, name: 'abort' }]),
  );
  await expect(telling).rejects.toThrow();
  expect(heard.length).toBeLessThan(20);
});

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
