import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../embedded/index.js';
import { Connections, onlyHost } from '../../src/connections.js';
import { PermanentError, TransientError } from '../../src/errors.js';
import { Secret } from '../../src/secret.js';

let connections: Connections | undefined;

function connect(uris: Record<string, string>): Connections {
  const secrets = Object.entries(uris).map(([alias, uri]) => [alias, new Secret(uri)] as const);
  connections = Connections.from({ uris: new Map(secrets) });
  return connections;
}

afterEach(() => connections?.close());

describe('Connections', () => {
  it('knows its aliases and keeps one client for each', () => {
    const both = connect({ target: 'mongodb://t/', source: 'mongodb://s/' });
    expect(both.aliases()).toEqual(['source', 'target']);
    expect(both.get('source')).toBe(both.get('source'));
    expect(both.get('source')).not.toBe(both.get('target'));
    expect(both.uri('target')).toBe('mongodb://t/');
  });

  it('says what to set when an alias is unknown', () => {
    const one = connect({ source: 'mongodb://u:s3cret@s/' });
    expect(() => one.get('archive')).toThrow(PermanentError);
    expect(() => one.get('archive')).toThrow(
      /unknown alias "archive": this worker knows source; set MONGODB_URI_ARCHIVE/,
    );
  });

  it('is for a person to mend when a migration is under way', () => {
    const one = connect({ source: 'mongodb://u:s3cret@s/' });
    one.require(['source']);
    expect(() => one.require(['source', 'archive'])).toThrow(TransientError);
    expect(() => one.require(['source', 'archive'])).toThrow(/set MONGODB_URI_ARCHIVE/);
  });

  it('leaves alone what the connection string says', () => {
    const some = connect({
      plain: 'mongodb://host/',
      own: 'mongodb://host/?maxpoolsize=7&serverSelectionTimeoutMS=99&appName=me',
    });
    expect(some.get('plain').options).toMatchObject({
      maxPoolSize: 500,
      serverSelectionTimeoutMS: 10_000,
      appName: 'changestream-migration',
      retryWrites: true,
    });
    expect(some.get('own').options).toMatchObject({
      maxPoolSize: 7,
      serverSelectionTimeoutMS: 99,
      appName: 'me',
    });
  });

  it('replaces a client whose first connection failed', async () => {
    const port = await freePort();
    const one = connect({ source: `mongodb://127.0.0.1:${port}/?serverSelectionTimeoutMS=200` });
    const first = one.get('source');
    await expect(first.db('admin').command({ ping: 1 })).rejects.toThrow('ECONNREFUSED');
    expect(one.get('source')).not.toBe(first);
  });

  it('closes more than once and with nothing to close', async () => {
    const one = connect({ source: 'mongodb://host/' });
    await one.close();
    one.get('source');
    await one.close();
    await one.close();
  });
});

describe('onlyHost', () => {
  it.each([
    ['mongodb://a:1,b:2/db?tls=true', 'mongodb://b:2/db?tls=true'],
    ['mongodb://u:p%40w@a:1,b:2', 'mongodb://u:p%40w@b:2'],
    ['mongodb://u:p@a,b:2/?authSource=admin', 'mongodb://u:p@b:2/?authSource=admin'],
    [
      'mongodb+srv://u:p@cluster.example/db?w=1',
      'mongodb+srv://u:p@cluster.example/db?w=1&srvMaxHosts=1',
    ],
    ['mongodb+srv://u:p@cluster.example', 'mongodb+srv://u:p@cluster.example/?srvMaxHosts=1'],
  ])('reduces %s to one host', (uri, expected) => {
    expect(onlyHost(uri, 'b:2')).toBe(expected);
  });
});
