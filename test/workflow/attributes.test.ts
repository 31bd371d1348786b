import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KEYWORD_TYPE, searchAttributeNames } from '../../src/search-attributes.js';
import { FakeActivities, foundAll, traits } from '../helpers/fake-activities.js';
import { groupFakes, runGroup } from '../helpers/running-group.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
  const { connection } = environment.client;
  if (!(connection instanceof Connection)) throw new Error('not a connection to a server');
  await connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(searchAttributeNames.map((name) => [name, KEYWORD_TYPE])),
  });
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

it('are not set where preflight has not found them', async () => {
  const fakes = new FakeActivities();
  await environment.run(fakes, {}, async (running) => {
    await running.complete();
    const { searchAttributes } = await running.handle.describe();
    expect(Object.keys(searchAttributes).filter((name) => name.startsWith('Csm'))).toEqual([]);
    expect(fakes.of('untilProblemChanges')).toHaveLength(0);
  });
});

it('follow the phase and what is wrong, and tell no problem at the end', async () => {
  const fakes = new FakeActivities();
  const gate = fakes.gate();
  fakes
    .set('preflight', async () => ({ ...traits, searchable: true }))
    .once('untilProblemChanges', () => gate.hold('capture fails'));
  await environment.run(fakes, {}, async (running) => {
    const attributes = async () => (await running.handle.describe()).searchAttributes;
    await running.reaches('ready');
    expect(await attributes()).toMatchObject({
      CsmPhase: ['ready'],
      CsmNamespace: ['shop.orders'],
      CsmSource: ['source'],
      CsmTarget: ['target'],
    });
    expect(await attributes()).not.toHaveProperty('CsmProblem');

    gate.open();
    await expect
      .poll(attributes, { timeout: 30_000 })
      .toMatchObject({ CsmProblem: ['capture fails'] });

    expect(await running.complete()).toMatchObject({ phase: 'completed' });
    expect(await attributes()).toMatchObject({ CsmPhase: ['completed'] });
    expect((await attributes())['CsmProblem'] ?? []).toEqual([]);
  });
});

it('of a group are its patterns and the phase of all', async () => {
  const fakes = groupFakes(environment.client);
  fakes.set('resolveCollections', async ({ options }) => ({
    ...foundAll(options),
    searchable: true,
  }));
  await runGroup(environment, fakes, { namespaces: ['shop.a', 'shop.b'] }, async (group) => {
    const attributes = async () => (await group.handle.describe()).searchAttributes;
    await group.reaches('ready');
    expect(await attributes()).toMatchObject({
      CsmPhase: ['ready'],
      CsmNamespace: ['shop.a,shop.b'],
      CsmSource: ['source'],
      CsmTarget: ['target'],
    });
    await group.update('cutover');
    await group.handle.result();
    expect(await attributes()).toMatchObject({ CsmPhase: ['completed'] });
  });
});

it('tell of an abort, and the search for problems ends with it', async () => {
  const fakes = new FakeActivities().set('preflight', async () => ({
    ...traits,
    searchable: true,
  }));
  await environment.run(fakes, {}, async (running) => {
    await running.reaches('ready');
    await running.signal('abort');
    expect(await running.result()).toMatchObject({ phase: 'aborted' });
    expect((await running.handle.describe()).searchAttributes).toMatchObject({
      CsmPhase: ['aborted'],
    });
    expect(fakes.log).toContain('cancelled untilProblemChanges');
  });
});
