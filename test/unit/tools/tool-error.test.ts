import { describe, expect, it } from 'vitest';
import { ToolError, type ToolErrorDetails } from '../../../src/tools/tool-error.js';

const details: ToolErrorDetails = {
  tool: 'mongodump',
  namespace: { database: 'shop', collection: 'orders' },
  binary: '/opt/mongodump',
  folder: '/var/dumps',
  exitCode: 1,
  signal: undefined,
  stderrTail: [],
};

describe('ToolError', () => {
  it.each([
    ['missing', { exitCode: 127 }, 'set MONGODUMP_BIN'],
    ['missing', { exitCode: 126 }, '/opt/mongodump cannot be run'],
    ['missing', { exitCode: undefined }, 'Install the MongoDB Database Tools'],
    ['killed', { exitCode: undefined, signal: 'SIGKILL' }, 'ended by SIGKILL from outside'],
    [
      'authentication',
      {
        stderrTail: [
          'Failed: can\'t create session: connection() error: auth error: sasl conversation error: unable to authenticate using mechanism "SCRAM-SHA-256": (AuthenticationFailed) Authentication failed.',
        ],
      },
      'user or password is wrong',
    ],
    ['unauthorized', { stderrTail: ['Failed: not authorized on shop to execute'] }, 'role'],
    [
      'unreachable',
      { stderrTail: ['Failed: server selection error: connect: connection refused'] },
      'could not reach the server',
    ],
    [
      'noSpace',
      { stderrTail: ['Failed: error writing: write /dev/stdout: no space left on device'] },
      'ran out of disk space in /var/dumps',
    ],
    [
      'noSpace',
      { tool: 'mongorestore', stderrTail: ['Failed: (OutOfDiskSpace) available disk space'] },
      'the target server ran out of disk space',
    ],
    [
      'noCollection',
      {
        exitCode: 0,
        stderrTail: ['namespace with DB shop and collection orders does not exist'],
      },
      'the collection does not exist',
    ],
    [
      'documents',
      {
        tool: 'mongorestore',
        stderrTail: ['Failed: error restoring from -: (NonConformantBSON) Invalid BSON column'],
      },
      'stopped at a document that the server does not take',
    ],
    [
      'documents',
      {
        tool: 'mongorestore',
        stderrTail: [
          "Failed: error restoring: bulk write exception: write errors: [Document can't have $ prefixed field names: $x]",
        ],
      },
      '$ prefixed field names',
    ],
    [
      'documents',
      {
        tool: 'mongorestore',
        stderrTail: ['Failed: bulk write exception: write errors: [E11000 duplicate key error]'],
      },
      'stopped at a document that the server does not take',
    ],
    ['incomplete', { exitCode: 0 }, 'without saying how many documents'],
    [
      'failed',
      { exitCode: 3, stderrTail: ['a', 'Failed: because', 'z'] },
      'failed with exit code 3. It said: Failed: because',
    ],
  ] as const)('%s %j', (failure, changes, message) => {
    const error = new ToolError({ ...details, ...changes });
    expect(error.failure).toBe(failure);
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^mongo(dump|restore) of shop\.orders /);
  });
});
