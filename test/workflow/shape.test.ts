import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeActivities, untilCancelled } from '../helpers/fake-activities.js';
import { activitiesOf, historyOf } from '../helpers/history.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

const refused = { refused: [{ code: 'shape', message: 'index "a_1" is not at the target yet' }] };

describe('indexes and options', () => {
  it('are followed from the rename to the cutover, which knows of it', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start followShape');
      await running.complete();
      const [step] = activitiesOf(await historyOf(running.handle)).filter(
        ({ id }) => id === 'followShape',
      );
      expect(step).toEqual({
        id: 'followShape',
        type: 'followShape',
        summary: 'Carry changes of indexes and options until the cutover',
      });
    });
    expect(fakes.log.indexOf('end renameStaging')).toBeLessThan(
      fakes.log.indexOf('start followShape'),
    );
    expect(fakes.log).toContain('cancelled followShape');
    expect(fakes.of('cutover')[0]?.args[0]).toMatchObject({ followsShape: true });
    expect(fakes.of('followShape')).toHaveLength(1);
  });

  it('are not followed while it is paused', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start followShape');
      await running.reaches('ready');
      await running.update('pause');
      await fakes.happened('cancelled followShape');
      await running.update('resume');
      await fakes.happened('start followShape', 2);
      await running.complete();
    });
  });

  it('go on being followed when they were what a cutover was refused for', async () => {
    const fakes = new FakeActivities().once('cutover', async () => refused);
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      const failure = await running.refused('cutover', { force: ['lag'] });
      expect(failure.details).toEqual(refused.refused);
      expect(fakes.log).not.toContain('cancelled followShape');
      await running.complete();
    });
    expect(fakes.of('followShape')).toHaveLength(1);
  });

  it('are tried again when the step fails, and do not end the migration', async () => {
    const fakes = new FakeActivities().once('followShape', async () => {
      throw new Error('no primary');
    });
    const final = await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start followShape', 2);
      return running.complete();
    });
    expect(final.phase).toBe('completed');
  });

  it('are of no matter once the target is open', async () => {
    const fakes = new FakeActivities().set('followShape', async () => {
      await untilCancelled().catch(() => undefined);
      throw new Error('the connection was closed');
    });
    const final = await environment.run(fakes, {}, (running) => running.complete());
    expect(final.phase).toBe('completed');
  });
});
