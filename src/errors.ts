/**
 * Types of the failures that people see in Temporal. Scripts match on them: they do not change.
 */
export const errorTypes = {
  invalidInput: 'InvalidInput',
  preflightFailed: 'PreflightFailed',
  collectionsFailed: 'CollectionsFailed',
  notComparable: 'NotComparable',
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
  dumpLost: 'DumpLost',
  controlLost: 'ControlDocumentLost',
  mongo: 'MongoDBError',
  unreachable: 'MongoDBUnreachable',
} as const;

export type ErrorType = (typeof errorTypes)[keyof typeof errorTypes];

/** A failure that no retry can mend: the message says what a person has to change. */
export class PermanentError extends Error {
  override readonly name = 'PermanentError';
  readonly type: ErrorType;
  readonly details: readonly unknown[];
  constructor(type: ErrorType, message: string, details: readonly unknown[] = []) {
    super(message);
    this.type = type;
    this.details = details;
  }
}

/** A failure that may go away by itself; Temporal tries again. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
  readonly type: ErrorType;
  constructor(type: ErrorType, message: string, options?: ErrorOptions) {
    super(message, options);
    this.type = type;
  }
}
