import { Timestamp } from 'mongodb';
import { expect, it } from 'vitest';
import { type Deployment, isSameDeployment } from '../../../src/preflight/deployment.js';

const one: Deployment = {
  version: '6.0.5',
  featureVersion: '6.0',
  topology: 'replicaSet',
  process: 'a',
  members: 'rs0/localhost:27017',
  readOnlyMember: undefined,
  time: new Timestamp({ t: 1, i: 1 }),
  skewSeconds: 0,
};

it.each<[string, Partial<Deployment>, boolean]>([
  ['one process', {}, true],
  ['a primary and a secondary of one set', { process: 'b', readOnlyMember: 'localhost:1' }, true],
  ['an old server that names no process', { process: undefined }, true],
  ['two primaries that have the same names behind tunnels', { process: 'b' }, false],
  ['two sets', { process: 'b', members: 'rs1/localhost:27018' }, false],
  ['two mongos', { process: 'b', members: '' }, false],
])('two connections lead to one deployment or not: %s', (_what, changes, isSame) => {
  expect(isSameDeployment(one, { ...one, ...changes })).toBe(isSame);
});
