import { describe, expect, it } from 'vitest';
import { passwordOf, toolUri, type ToolUriOptions } from '../../../src/tools/tool-uri.js';

const dump: ToolUriOptions = { tool: 'mongodump' };
const restore: ToolUriOptions = { tool: 'mongorestore' };
const majority = 'readConcernLevel=majority';

const dnsError = (code: string) => async (): Promise<never> => {
  throw Object.assign(new Error(`queryTxt ${code}`), { code });
};
const noRecord = dnsError('ENODATA');
const broken = dnsError('ETIMEOUT');
const published = async (): Promise<string[][]> => [['authSource=other&', 'replicaSet=rs']];

describe('toolUri for mongodump', () => {
  it.each([
    ['mongodb://h', `mongodb://h/?${majority}`],
    ['mongodb://h/shop', `mongodb://h/?${majority}`],
    ['mongodb://u:p@h', `mongodb://u:p@h/?${majority}&authSource=admin`],
    ['mongodb://u:p@h/shop', `mongodb://u:p@h/?${majority}&authSource=shop`],
    ['mongodb://u:p@h/my%2Ddb?', `mongodb://u:p@h/?${majority}&authSource=my-db`],
    ['mongodb://u:p@h/shop?authsource=x', `mongodb://u:p@h/?${majority}&authSource=x`],
    [
      'mongodb://a:1,b:2/?replicaSet=rs&readConcernLevel=local&readPreference=secondary',
      `mongodb://a:1,b:2/?replicaSet=rs&readPreference=secondary&${majority}`,
    ],
    [
      'mongodb://h/db?authMechanism=MONGODB-X509&tls=true',
      `mongodb://h/?authMechanism=MONGODB-X509&tls=true&${majority}&authSource=%24external`,
    ],
    [
      'mongodb://u:p@h/?authMechanism=PLAIN',
      `mongodb://u:p@h/?authMechanism=PLAIN&${majority}&authSource=%24external`,
    ],
    [
      'mongodb://u:a/b:c%40%25+"\'@h',
      `mongodb://u:a%2Fb%3Ac%40%25%2B%22'@h/?${majority}&authSource=admin`,
    ],
    [
      'mongodb://h/?serverSelectionTimeoutMS=5&connectTimeoutMS=6&socketTimeoutMS=7&tls=true',
      `mongodb://h/?tls=true&${majority}`,
    ],
    ['mongodb://%2Ftmp%2Fmongodb.sock/', `mongodb://%2Ftmp%2Fmongodb.sock/?${majority}`],
  ])('%s', async (uri, expected) => {
    expect(await toolUri(uri, dump)).toBe(expected);
  });

  it.each([
    [
      'mongodb://a,b/?replicaSet=rs&readPreference=nearest&readPreferenceTags=a:b&ssl=true',
      'ssl=true',
    ],
    ['mongodb+srv://s/?srvMaxHosts=2', 'tls=true'],
  ])('reads from the one member that it is told: %s', async (uri, secured) => {
    const found = new URL(await toolUri(uri, { ...dump, member: 'b:2' }, noRecord));
    expect(found.host).toBe('b:2');
    const direct = ['directConnection=true', 'readPreference=secondaryPreferred', majority];
    const options = [...found.searchParams].map((pair) => pair.join('='));
    expect(options.toSorted()).toEqual([...direct, secured].toSorted());
  });
});

describe('toolUri for mongorestore', () => {
  it('writes to the majority, whatever the connection string says', async () => {
    const uri = 'mongodb://h/?w=1&journal=false&wtimeoutMS=5&readPreference=secondary&tls=true';
    expect(await toolUri(uri, restore)).toBe('mongodb://h/?tls=true&w=majority');
  });
});

describe('replica set', () => {
  it.each([
    ['mongodb://h/', 'mongodb://h/?replicaSet=rs%200&w=majority'],
    ['mongodb://h/?replicaSet=mine', 'mongodb://h/?replicaSet=mine&w=majority'],
    ['mongodb://h/?directConnection=true', 'mongodb://h/?directConnection=true&w=majority'],
    ['mongodb://h/?loadBalanced=true', 'mongodb://h/?loadBalanced=true&w=majority'],
  ])('%s', async (uri, expected) => {
    expect(await toolUri(uri, { ...restore, replicaSet: 'rs 0' })).toBe(expected);
  });
});

describe('DNS seed list', () => {
  it.each([
    ['mongodb+srv://u:p@h/shop', noRecord, 'shop'],
    ['mongodb+srv://u:p@h/shop', published, 'other'],
    ['mongodb+srv://u:p@h', published, 'other'],
    ['mongodb+srv://u:p@h/?authSource=mine', published, 'mine'],
    ['mongodb+srv://u:p@h', noRecord, 'admin'],
  ])('%s', async (uri, resolve, source) => {
    expect(await toolUri(uri, restore, resolve)).toBe(
      `mongodb+srv://u:p@h/?w=majority&authSource=${source}`,
    );
  });

  it('does not ask without credentials, and passes other DNS failures on', async () => {
    expect(await toolUri('mongodb+srv://h/db', restore, broken)).toBe(
      'mongodb+srv://h/?w=majority',
    );
    await expect(toolUri('mongodb+srv://u:p@h/db', restore, broken)).rejects.toThrow('ETIMEOUT');
  });
});

describe('what is no connection string', () => {
  it.each(['', 'http://u:secret@h', 'mongodb://u:secret@', 'mongodb://u:sec%ret@h'])(
    '%j is refused without being quoted',
    async (uri) => {
      const error: unknown = await toolUri(uri, dump).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(TypeError);
      expect(String(error)).not.toContain('sec');
    },
  );
});

it('reads the password', () => {
  expect(passwordOf('mongodb://u:p%40ss@h')).toBe('p@ss');
  expect(passwordOf('mongodb://u@h')).toBeUndefined();
  expect(passwordOf('nonsense')).toBeUndefined();
});
