import { describe, expect, it } from 'vitest';
import { dumpArguments, restoreArguments } from '../../../src/tools/arguments.js';

const files = { configFile: '/p/config.yaml', path: '-' };

describe('dumpArguments', () => {
  it('names everything in one argument each', () => {
    expect(
      dumpArguments({
        ...files,
        database: 'shop',
        collection: 'orders',
        queryFile: '/p/query',
        gzip: false,
      }),
    ).toEqual([
      '--config=/p/config.yaml',
      '--db=shop',
      '--collection=orders',
      '--queryFile=/p/query',
      '--out=-',
    ]);
  });

  it.each([
    ['--eval', '--collection=--eval'],
    ['two words\nand lines', '--collection=two words\nand lines'],
    ['../../etc/%2e', '--collection=../../etc/%2e'],
    ['a"b', '--collection=a"b'],
    ['"quoted"', String.raw`--collection="\"quoted\""`],
    ['"new\nline\\', String.raw`--collection="\"new\nline\\"`],
  ])('collection %j', (collection, expected) => {
    const args = dumpArguments({ ...files, database: 'shop', collection, gzip: true });
    expect(args).toContain(expected);
    expect(args).toContain('--gzip');
  });

  it.each(['', 'a/b', 'a\\b', 'a.b', 'a b', 'a"b', 'a$b', 'a\0b'])(
    'refuses database %j',
    (database) => {
      const build = () => dumpArguments({ ...files, database, collection: 'c', gzip: false });
      expect(build).toThrow('is not a name that a database can have');
    },
  );

  it.each(['', 'a\0b'])('refuses collection %j', (collection) => {
    const build = () => dumpArguments({ ...files, database: 'd', collection, gzip: false });
    expect(build).toThrow('is not a name that a collection can have');
  });
});

describe('restoreArguments', () => {
  it('neither drops nor sets options and indexes, and keeps one worker one', () => {
    expect(
      restoreArguments({
        ...files,
        database: 'shop',
        collection: 'orders',
        gzip: false,
        insertionWorkers: 1,
        ordered: true,
      }),
    ).toEqual([
      '--config=/p/config.yaml',
      '--db=shop',
      '--collection=orders',
      '--dir=-',
      '--noIndexRestore',
      '--noOptionsRestore',
      '--numParallelCollections=1',
      '--numInsertionWorkersPerCollection=1',
      '--maintainInsertionOrder',
    ]);
  });
});
