import { MongoServerError } from 'mongodb';

/**
 * Codes by which servers do not take a command as it stands, seen or documented: BadValue, FailedToParse,
 * TypeMismatch, names of fields (52 to 57), CannotCreateIndex, InvalidOptions, IndexOptionsConflict,
 * IndexKeySpecsConflict, CommandNotSupported, InvalidPipelineOperator, InvalidIndexSpecificationOption,
 * QueryFeatureNotAllowed, NotImplemented, unknown field.
 */
const codes = new Set([
  2, 9, 14, 52, 53, 54, 55, 56, 57, 67, 72, 85, 86, 115, 168, 197, 224, 238, 40415,
]);

/**
 * Whether a server's error says that it does not take an index or an option as it is, so that asking again does
 * not help. Errors without a name of their own, `Location28812`, come from the place that reads a command;
 * whatever passes by itself, such as the lack of a primary, has a name.
 */
export function isShapeRefused(error: unknown): error is MongoServerError {
  if (!(error instanceof MongoServerError)) return false;
  return codes.has(Number(error.code)) || error.codeName?.startsWith('Location') === true;
}
