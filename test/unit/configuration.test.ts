import { inspect } from 'node:util';
import zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ConfigurationError, readConfiguration } from '../../src/configuration.js';

const SOURCE = 'mongodb://user:s3cret@source.example:27017/?replicaSet=rs0';
const TARGET = 'mongodb://user:s3cret@target.example:27017/';
// Keeps a temporal.toml of whoever runs the tests out of them.
const ISOLATED = { TEMPORAL_CONFIG_FILE: '/nowhere/temporal.toml' };

function read(env: Record<string, string>, files: Record<string, string> = {}) {
  return readConfiguration(
    { ...ISOLATED, ...env },
    {
      terminal: false,
      files: (path) => {
        const text = files[path];
        if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
        return text;
      },
    },
  );
}

function problemsOf(env: Record<string, string>, files: Record<string, string> = {}) {
  try {
    read(env, files);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

describe('readConfiguration', () => {
  it('reads aliases, in lower case, and fills in defaults', () => {
    const configuration = read({ MONGODB_URI_SOURCE: SOURCE, MONGODB_URI_Target_2: TARGET });
    expect([...configuration.uris.keys()].toSorted()).toEqual(['source', 'target_2']);
    expect(configuration.uris.get('source')?.reveal()).toBe(SOURCE);
    expect(configuration).toMatchObject({
      logLevel: 'info',
      logFormat: 'json',
      maxActivities: 500,
      metricsAddress: undefined,
      healthAddress: undefined,
      shutdownGraceSeconds: 20,
      tools: 'required',
      warnings: [],
    });
    expect(configuration.workerHost).not.toBe('');
    expect(configuration.dumpFolder).toMatch(/^\/.*changestream-migration$/);
  });

  it('reads a mounted secret and trims the newline at its end', () => {
    const configuration = read(
      { MONGODB_URI_SOURCE_FILE: '/run/source' },
      { '/run/source': `${SOURCE}\r\n` },
    );
    expect(configuration.uris.get('source')?.reveal()).toBe(SOURCE);
  });

  it('takes empty variables for unset ones', () => {
    const empty = { CSM_LOG_LEVEL: '', WORKER_HOST: '', TEMPORAL_ADDRESS: '' };
    expect(read({ MONGODB_URI_A: SOURCE, MONGODB_URI_B: '', ...empty }).logLevel).toBe('info');
  });

  it.each([
    ['9464', '127.0.0.1:9464'],
    [':9464', '127.0.0.1:9464'],
    ['127.0.0.1:9464', '127.0.0.1:9464'],
    ['0.0.0.0:9464', '0.0.0.0:9464'],
    ['[::1]:9464', '[::1]:9464'],
    ['', undefined],
  ])(
    'serves metrics and health for %j at %s: beyond this machine only when told to',
    (given, address) => {
      const addresses = { CSM_METRICS_ADDRESS: given, CSM_HEALTH_ADDRESS: given };
      const configuration = read({ MONGODB_URI_A: SOURCE, ...addresses });
      expect(configuration.metricsAddress).toBe(address);
      expect(configuration.healthAddress).toBe(address);
    },
  );

  it.each(['localhost:9464', '*:9464', '127.0.0.1', '0', '65536', ':', '[::1:9464', 'a b:1'])(
    'takes no metrics address %j',
    (address) => {
      const env = { MONGODB_URI_A: SOURCE, CSM_METRICS_ADDRESS: address };
      expect(problemsOf(env).problems).toEqual([expect.stringMatching(/^CSM_METRICS_ADDRESS has/)]);
    },
  );

  it.each([
    [{}, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://collector/v1/traces' }, true],
  ])('sends spans only where OpenTelemetry is told a place for them: %j', (env, isTraced) => {
    expect(read({ MONGODB_URI_A: SOURCE, ...env }).tracing).toBe(isTraced);
  });

  it('reports everything that is wrong at once', () => {
    const { problems, message } = problemsOf({
      MONGODB_URI_A: SOURCE,
      MONGODB_URI_A_FILE: '/run/a',
      MONGODB_URI_B_FILE: '/run/missing',
      MONGODB_URI_C: 'postgres://user:s3cret@host/',
      MONGODB_URI_1X: TARGET,
      TEMPORAL_ADDRESS: 'http://temporal:7233',
      CSM_LOG_LEVEL: 'loud',
      CSM_LOG_FORMAT: 'xml',
      CSM_MAX_ACTIVITIES: '0',
      CSM_METRICS_ADDRESS: 'localhost:9464',
      CSM_SHUTDOWN_GRACE_SECONDS: '1.5',
      CSM_TOOLS: 'never',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318',
    });
    const said = [
      /^MONGODB_URI_1X: "1x" is no alias/,
      /^MONGODB_URI_A and MONGODB_URI_A_FILE both define the alias "a"/,
      /^MONGODB_URI_B_FILE names a file that cannot be read: \/run\/missing \(ENOENT\)/,
      /^MONGODB_URI_C has to start with mongodb:/,
      /^TEMPORAL_ADDRESS has to be <host>:<port>/,
      /^CSM_LOG_LEVEL has to be one of trace, debug, info, warn, error/,
      /^CSM_LOG_FORMAT has to be one of json, pretty/,
      /^CSM_MAX_ACTIVITIES has to be a whole number from 1/,
      /^CSM_METRICS_ADDRESS has to be <port> or <ip>:<port>/,
      /^CSM_SHUTDOWN_GRACE_SECONDS has to be a whole number/,
      /^CSM_TOOLS has to be one of required, optional/,
      /^OTEL_EXPORTER_OTLP_ENDPOINT has to be a URL/,
    ];
    for (const pattern of said) {
      expect(
        problems.some((problem) => pattern.test(problem)),
        String(pattern),
      ).toBe(true);
    }
    expect(problems).toHaveLength(said.length);
    for (const problem of problems) expect(message).toContain(problem);
    expect(message).not.toContain('s3cret');
  });

  it('says what to set when there is no alias', () => {
    expect(problemsOf({ MONGODB_URI: SOURCE }).problems).toEqual([
      expect.stringMatching(/MONGODB_URI alone names no alias.*for example MONGODB_URI_SOURCE=/),
    ]);
  });

  it.each([
    ['mongodb://user:s3cret@ss@host/', 'percent-encoded'],
    ['mongodb://user:s3cret/w@host/', 'percent-encoded'],
    ['mongodb://user:s3cret?x=1@host', 'percent-encoded'],
    ['mongodb://user:s3cret%zz@host', 'percent-encoded'],
    ['mongodb://user:s3cret', 'host or port'],
    ['mongodb://host:99999', 'host or port'],
    ['mongodb://', 'names no host'],
    ['mongodb+srv://user:s3cret@host:27017', 'may not name a port'],
    ['mongodb+srv://user:s3cret@one,two', 'only one host'],
    ['mongodb://user:s3cret@host/?fooBar=1', 'option fooBar'],
    ['mongodb://user:s3cret@host/db?maxPoolSize=many', 'option maxPoolSize'],
    ['mongodb://host/?s3cret@x=1', 'percent-encoded'],
    ['mongodb://user:s3cret@host/?readPreference=s3cret@', 'check its options'],
  ])('explains %s without repeating its password', (uri, reason) => {
    const { message } = problemsOf({ MONGODB_URI_SOURCE: uri });
    expect(message).toContain('MONGODB_URI_SOURCE');
    expect(message).toContain(reason);
    expect(message).not.toContain('s3cret');
  });

  it('takes the compressors that this Node.js has, and says which it has not', () => {
    for (const compressors of ['zstd', 'snappy,zstd']) {
      const env = { MONGODB_URI_SOURCE: `mongodb://host/?compressors=${compressors}` };
      if ('zstdCompress' in zlib) expect(read(env).uris.size).toBe(1);
      else expect(problemsOf(env).message).toMatch(/MONGODB_URI_SOURCE asks for.*zstd.*22\.15/);
    }
    const others = { MONGODB_URI_SOURCE: 'mongodb://host/?compressors=snappy,zlib' };
    expect(read(others).uris.size).toBe(1);
  });

  it('hides connection strings and Temporal credentials from inspection', () => {
    const configuration = read({ MONGODB_URI_SOURCE: SOURCE, TEMPORAL_API_KEY: 's3cret' });
    expect(inspect(configuration, { depth: 9, showHidden: true })).not.toContain('s3cret');
    expect(JSON.stringify([configuration, ...configuration.uris])).not.toContain('s3cret');
    expect(configuration.temporal.reveal().connectionOptions.apiKey).toBe('s3cret');
  });

  it('names settings that it does not know', () => {
    const { warnings } = read({ MONGODB_URI_SOURCE: SOURCE, CSM_LOGLEVEL: 'debug' });
    expect(warnings).toEqual([
      expect.stringMatching(/^CSM_LOGLEVEL is not a setting.*CSM_LOG_LEVEL/),
    ]);
  });

  it('reports a Temporal profile that does not exist', () => {
    const { problems } = problemsOf({ MONGODB_URI_SOURCE: SOURCE, TEMPORAL_PROFILE: 'cloud' });
    expect(problems).toEqual([expect.stringMatching(/TEMPORAL_\* .*Profile 'cloud' not found/)]);
  });
});
