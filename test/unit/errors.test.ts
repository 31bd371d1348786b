import { expect, it } from 'vitest';
import { errorTypes, PermanentError, TransientError } from '../../src/errors.js';

// Scripts match on them.
it('the types of failures never change', () => {
  expect(errorTypes).toMatchObject({
    invalidInput: 'InvalidInput',
    preflightFailed: 'PreflightFailed',
    migrationExists: 'MigrationExists',
    markerRefused: 'MarkerRefused',
    historyLost: 'ChangeStreamHistoryLost',
    streamEnded: 'ChangeStreamEnded',
    eventTooLarge: 'ChangeEventTooLarge',
    fenced: 'Fenced',
    cutoverRefused: 'CutoverRefused',
    tooManyDifferences: 'TooManyDifferences',
    diskFull: 'DiskFull',
    toolFailed: 'ToolFailed',
    controlLost: 'ControlDocumentLost',
    mongo: 'MongoDBError',
    unreachable: 'MongoDBUnreachable',
  });
});

it('errors carry their type, and what else is known', () => {
  const permanent = new PermanentError(errorTypes.fenced, 'taken over', [1]);
  expect(permanent).toMatchObject({ name: 'PermanentError', type: 'Fenced', details: [1] });
  expect(new PermanentError(errorTypes.fenced, 'x').details).toEqual([]);
  const cause = new Error('below');
  const transient = new TransientError(errorTypes.diskFull, 'no space', { cause });
  expect(transient).toMatchObject({ name: 'TransientError', type: 'DiskFull', cause });
});
