import { CompleteAsyncError } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { MongoClient, MongoError, MongoNetworkError, MongoServerError } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { errorTypes, PermanentError, TransientError } from '../../src/errors.js';
import { failureInterceptor, toFailure, type FailureContext } from '../../src/failures.js';
import { ToolError } from '../../src/tools/index.js';
import { isUnauthorized } from '../../src/mongo/catalogue.js';

const CONTEXT = { activity: 'capture', alias: 'source', namespace: 'shop.orders' };

function failureOf(error: unknown, context: FailureContext = CONTEXT): ApplicationFailure {
  const failure = toFailure(error, context);
  if (failure instanceof ApplicationFailure) return failure;
  throw new Error(`not an ApplicationFailure: ${String(failure)}`);
}

function serverError(code: number, codeName: string, errmsg: string): MongoServerError {
  return new MongoServerError({ message: errmsg, errmsg, code, codeName });
}

describe('toFailure', () => {
  it('keeps type, message and details of our own errors', () => {
    const permanent = failureOf(
      new PermanentError(errorTypes.fenced, 'taken over', [{ epoch: 2n }]),
    );
    expect(permanent).toMatchObject({ type: 'Fenced', nonRetryable: true, message: 'taken over' });
    expect(permanent.details).toEqual([{ epoch: '2' }]);
    const transient = failureOf(new TransientError(errorTypes.toolFailed, 'try again'));
    expect(transient).toMatchObject({ type: 'ToolFailed', nonRetryable: false });
    expect(transient.details).toEqual([
      { name: 'TransientError', alias: 'source', namespace: 'shop.orders' },
    ]);
  });

  it('gives a source that is gone one type, whether the capture or mongodump finds out', () => {
    const gone = new ToolError({
      tool: 'mongodump',
      namespace: { database: 'shop', collection: 'orders' },
      binary: 'mongodump',
      folder: '/var/dumps',
      exitCode: 0,
      signal: undefined,
      stderrTail: ['namespace with DB shop and collection orders does not exist'],
    });
    expect(failureOf(gone)).toMatchObject({ type: 'ChangeStreamEnded', nonRetryable: true });
  });

  it('lets failures of Temporal pass', () => {
    for (const failure of [
      new CancelledFailure('CANCELLED'),
      ApplicationFailure.nonRetryable('no'),
      new CompleteAsyncError(),
    ]) {
      expect(toFailure(failure, CONTEXT)).toBe(failure);
    }
  });

  it('turns what a cancellation breaks into the cancellation', () => {
    const cancelled = new CancelledFailure('WORKER_SHUTDOWN');
    const signal = AbortSignal.abort(cancelled);
    const context = { ...CONTEXT, signal };
    const abortError = new DOMException('This operation was aborted', 'AbortError');
    const child = Object.assign(new Error('killed'), { isCanceled: true });
    expect(toFailure(abortError, context)).toBe(cancelled);
    expect(toFailure(child, context)).toBe(cancelled);
    expect(toFailure(new Error('aborted', { cause: cancelled }), CONTEXT)).toBe(cancelled);
    // Without a cancellation an abort is a failure like others, and so is an error beside one.
    expect(failureOf(abortError).type).toBe('AbortError');
    expect(failureOf(new PermanentError(errorTypes.fenced, 'x'), context).type).toBe('Fenced');
  });

  it('says which hosts cannot be reached', async () => {
    const client = new MongoClient('mongodb://u:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=3000');
    const error: unknown = await client
      .db('a')
      .command({ ping: 1 })
      .catch((each: unknown) => each);
    const failure = failureOf(error);
    expect(failure).toMatchObject({ type: 'MongoDBUnreachable', nonRetryable: false });
    expect(failure.message).toMatch(
      /^Cannot reach MongoDB "source" \(127\.0\.0\.1:1: .*ECONNREFUSED.*\)\. It keeps trying/,
    );
    expect(failureOf(new MongoNetworkError('connection 3 to host:1 closed')).type).toBe(
      'MongoDBUnreachable',
    );
    const dns = Object.assign(new Error('querySrv ENOTFOUND x.example'), { code: 'ENOTFOUND' });
    expect(failureOf(dns).type).toBe('MongoDBUnreachable');
  });

  it('names a missing privilege and not what was in the command', () => {
    const failure = failureOf(
      serverError(
        13,
        'Unauthorized',
        'not authorized on shop to execute command { insert: "orders", documents: [ { ssn: "1" } ] }',
      ),
    );
    expect(failure).toMatchObject({ type: 'MongoDBError', nonRetryable: false });
    expect(failure.message).toContain('not authorized on shop.orders to execute insert');
    expect(JSON.stringify(failure) + failure.stack).not.toContain('ssn');
    expect(failure.details).toEqual([
      expect.objectContaining({ code: 13, codeName: 'Unauthorized' }),
    ]);
    expect(
      failureOf(serverError(13, 'Unauthorized', 'command find requires authentication')).message,
    ).toContain('command find requires authentication');
  });

  it('keeps trying when the login is refused', () => {
    const failure = failureOf(serverError(18, 'AuthenticationFailed', 'Authentication failed.'));
    expect(failure).toMatchObject({ type: 'MongoDBError', nonRetryable: false });
    expect(failure.message).toMatch(/"source" refuses the login.*password.*authSource/);
  });

  it.each([
    ['bad auth : Authentication failed.', /refuses the login/, false],
    [
      '(Unauthorized) not authorized on admin to execute command { x: 1 }',
      /lacks a privilege/,
      true,
    ],
    [
      'Unallowed argument in listDatabases command: authorizedDatabases',
      /does not allow what/,
      true,
    ],
    ['noTimeout cursors are disallowed in this atlas tier', /does not allow what/, true],
  ])('tells apart what Atlas has one code for: %s', (said, expected, isPrivilege) => {
    // A wrong password is no missing privilege, which would be told with another remedy.
    expect(isUnauthorized(serverError(8000, 'AtlasError', said))).toBe(isPrivilege);
    const failure = failureOf(serverError(8000, 'AtlasError', said));
    expect(failure).toMatchObject({ type: 'MongoDBError', nonRetryable: false });
    expect(failure.message).toMatch(expected);
  });

  it.each([280, 286])('gives up when the history is lost (%d)', (code) => {
    const failure = failureOf(
      serverError(code, 'x', 'the resume point may no longer be in the oplog'),
    );
    expect(failure).toMatchObject({ type: 'ChangeStreamHistoryLost', nonRetryable: true });
    expect(failure.message).toMatch(
      /oplog of MongoDB "source".*Start it again: the copy is repeated/,
    );
  });

  it('ends over a name that no collection can have', () => {
    const failure = failureOf(serverError(73, 'InvalidNamespace', 'Invalid collection name: a.$b'));
    expect(failure).toMatchObject({ type: 'InvalidInput', nonRetryable: true });
    expect(failure.message).toContain('correct the namespace');
  });

  it('tells an event that is too large from a document that is', () => {
    const size = 'BSONObj size: 33554687 (0x20000FF) is invalid.';
    const event = serverError(
      10334,
      'BSONObjectTooLarge',
      `Executor error during getMore :: caused by :: ${size} First element: _id: { _data: "82" }`,
    );
    expect(failureOf(event)).toMatchObject({ type: 'ChangeEventTooLarge', nonRetryable: true });
    const document = serverError(
      10334,
      'BSONObjectTooLarge',
      `${size} First element: insert: "big"`,
    );
    expect(failureOf(document)).toMatchObject({ type: 'MongoDBError', nonRetryable: false });
  });

  it('recognizes full disks here and there', () => {
    const here = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
    });
    const there = serverError(
      14031,
      'OutOfDiskSpace',
      'available disk space is less than required',
    );
    expect(failureOf(here)).toMatchObject({ type: 'DiskFull', nonRetryable: false });
    expect(failureOf(there).message).toContain('The disk of MongoDB "source" is full');
  });

  it('keeps other errors retryable, short, and free of connection strings', () => {
    const uri = 'mongodb://u:s3cret@host/';
    const errors = [
      new TypeError(`bad ${uri} ${'x'.repeat(9000)}`, { cause: new Error(uri) }),
      new MongoError(`bad ${uri}`),
      new PermanentError(errorTypes.fenced, uri, [{ deep: [uri] }]),
      `thrown ${uri}`,
    ];
    for (const error of errors) {
      const failure = failureOf(error);
      const all = [failure.message, failure.stack, JSON.stringify(failure.details), failure.cause];
      expect(all.join(' ')).not.toContain('s3cret');
      expect(failure.message.length).toBeLessThanOrEqual(2000);
    }
    expect(failureOf(errors[0])).toMatchObject({ type: 'TypeError', nonRetryable: false });
    expect(failureOf(errors[1]).type).toBe('MongoDBError');
  });
});

async function failing(_migration: { options: { namespace: string } }): Promise<void> {
  throw new TransientError(errorTypes.diskFull, 'gone');
}

describe('failureInterceptor', () => {
  it('translates what an activity throws', async () => {
    const environment = new MockActivityEnvironment(
      { activityType: 'capture', attempt: 3 },
      { interceptors: [failureInterceptor] },
    );
    const run = environment.run(failing, { options: { namespace: 'shop.orders' } });
    await expect(run).rejects.toMatchObject({
      type: 'DiskFull',
      details: [{ name: 'TransientError', namespace: 'shop.orders' }],
    });
  });
});
