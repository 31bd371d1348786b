import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { flags } from '../../../embedded/flags.js';
import { goEnvironment } from '../../../embedded/go.js';
import { credentialsOf } from '../../../embedded/initiate.js';
import { memberArgs } from '../../../embedded/member.js';
import { buildArgs, moduleVersion } from '../../../embedded/mongo-tools.js';
import { temporalArgs } from '../../../embedded/temporal-server.js';

const member = {
  replicaSet: 'rs0',
  port: 20_001,
  dir: '/dir',
  binary: '/bin/mongod',
  version: '6.0.5',
  cacheSizeGB: 1,
  args: [],
};

describe('flags', () => {
  it('keeps order and repeats, and leaves out what has no value', () => {
    expect(flags(['a'], ['-b', 1], ['-c', undefined], ['-b', 'x'])).toEqual([
      'a',
      '-b',
      '1',
      '-b',
      'x',
    ]);
  });
});

describe('memberArgs', () => {
  it('binds to the loopback address and keeps the cache small', () => {
    const line = memberArgs(member).join(' ');
    expect(line).toContain('--replSet rs0 --port 20001 --bind_ip 127.0.0.1');
    expect(line).toContain('--dbpath /dir/data');
    expect(line).toContain('--wiredTigerCacheSizeGB 1');
    expect(line).not.toMatch(/keyFile|oplogSize/);
  });

  it('adds what is asked for, the extra arguments last', () => {
    const args = memberArgs({ ...member, oplogSizeMB: 990, keyFile: '/key', args: ['--journal'] });
    expect(args.join(' ')).toContain('--oplogSize 990');
    expect(args.join(' ')).toContain('--keyFile /key');
    expect(args.at(-1)).toBe('--journal');
  });

  it('says nothing that an old server does not know', () => {
    expect(memberArgs({ ...member, version: '4.4.2' }).join(' ')).not.toContain('shutdownTimeout');
    expect(memberArgs(member).join(' ')).toContain('shutdownTimeout');
  });
});

describe('credentialsOf', () => {
  it('encodes what a connection string cannot hold', () => {
    expect(credentialsOf()).toBe('');
    expect(credentialsOf({ user: 'a:b', password: 'p@/' })).toBe('a%3Ab:p%40%2F@');
  });
});

describe('temporalArgs', () => {
  const ports = { grpc: 1, http: 2, metrics: 3, ui: undefined };

  it('says every port', () => {
    const line = temporalArgs(ports, {}).join(' ');
    expect(line).toContain('--port 1 --http-port 2 --metrics-port 3 --headless');
    expect(line).not.toContain('--db-filename');
  });

  it('serves the UI and keeps a file when asked to', () => {
    const line = temporalArgs({ ...ports, ui: 4 }, { dbFile: '/a.db', args: ['--x'] }).join(' ');
    expect(line).toContain('--ui-port 4 --db-filename /a.db');
    expect(line).not.toContain('--headless');
    expect(line).toMatch(/ --x$/);
  });
});

describe('building the MongoDB Database Tools', () => {
  it('takes the version that go.mod requires', async () => {
    const url = new URL('../../../embedded/mongo-tools/go.mod', import.meta.url);
    expect(moduleVersion(await readFile(url, 'utf8'))).toMatch(/^0\.0\.0-\d{14}-[0-9a-f]{12}$/);
    expect(() => moduleVersion('module tools')).toThrow('go.mod requires no');
  });

  it('leaves go.mod and go.sum as they are', () => {
    const args = buildArgs('mongodump', '1.0.0', '/out');
    expect(args).toContain('-mod=readonly');
    expect(args.slice(-2)).toEqual([
      '/out/mongodump',
      'github.com/mongodb/mongo-tools/mongodump/main',
    ]);
  });

  it('takes no Go settings of the user but where modules come from', () => {
    const env = goEnvironment(
      { GOFLAGS: '-mod=mod', GOOS: 'plan9', GOPROXY: 'p', PATH: '/b' },
      '/w',
    );
    expect(env).toMatchObject({ GOFLAGS: '-modcacherw', GOPROXY: 'p', PATH: '/b' });
    expect(env).toMatchObject({ GOTOOLCHAIN: 'local', GOPATH: '/w/path', GOCACHE: '/w/cache' });
    expect(env['GOOS']).toBeUndefined();
    expect(Object.keys(env).filter((name) => name.includes('SUM'))).toEqual([]);
  });
});
