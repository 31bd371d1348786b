import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { environmentFor, identity } from '../../../src/cli/session.js';

const FILE =
  'TEMPORAL_ADDRESS=file:1\nTEMPORAL_NAMESPACE=file\nMONGODB_URI_SOURCE=mongodb://u:p@h/\n';

it('takes options before variables, and those before the .env file', () => {
  const env = { TEMPORAL_NAMESPACE: 'variable', TEMPORAL_PROFILE: 'variable' };
  expect(environmentFor({ profile: 'option' }, env, FILE)).toEqual({
    TEMPORAL_ADDRESS: 'file:1',
    TEMPORAL_NAMESPACE: 'variable',
    TEMPORAL_PROFILE: 'option',
  });
});

it("reads nothing of the worker's secrets", () => {
  expect(JSON.stringify(environmentFor({}, {}, FILE))).not.toContain('mongodb');
});

it('says who it is, where its user has a name', () => {
  expect(identity(() => ({ username: 'ann' }))).toEqual({ identity: `ann@${hostname()}` });
  const nameless = () => {
    throw new Error('ENOENT: no such user');
  };
  expect(identity(nameless)).toEqual({});
});
