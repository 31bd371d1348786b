import {
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
  type MongoError,
} from 'mongodb';
import { errorTypes } from './errors.js';
import { REFUSAL, refusalCode } from './mongo/catalogue.js';
import type { Explanation, FailureContext } from './failures.js';

/** The last is what everybody else gets whose operation waited for a first connection that failed. */
const UNREACHABLE = [MongoServerSelectionError, MongoNetworkError, MongoTopologyClosedError];

/** Codes of DNS and socket errors that reach us without the driver's wrapping. */
const NETWORK_CODES = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ESERVFAIL',
  'ETIMEDOUT',
  'ETIMEOUT',
]);

/** Whether no server could be spoken to, as opposed to one that answered with an error. */
export function isUnreachable(error: unknown): error is Error {
  if (UNREACHABLE.some((type) => error instanceof type)) return true;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && NETWORK_CODES.has(code);
}

/** Says which hosts do not answer, by host and port only. */
export function unreachable(error: Error, context: FailureContext): Explanation {
  return {
    type: errorTypes.unreachable,
    message:
      `Cannot reach ${deployment(context)} (${whyUnreachable(error)}). It keeps trying until the ` +
      'server answers.',
  };
}

/** Why no server could be spoken to: hosts and ports, each with what was tried. */
export function whyUnreachable(error: Error): string {
  const servers = error instanceof MongoServerSelectionError ? error.reason?.servers : undefined;
  const hosts = [...(servers ?? [])].map(([address, { error: cause }]) =>
    cause ? `${address}: ${cause.message}` : address,
  );
  return hosts.length > 0 ? hosts.join('; ') : error.message;
}

/** Explains an error that the driver raised or a server answered with. */
export function explainMongoError(error: MongoError, context: FailureContext): Explanation {
  const where = deployment(context);
  const { message } = error;
  if (!(error instanceof MongoServerError)) return { type: errorTypes.mongo, message };
  switch (refusalCode(error)) {
    case REFUSAL.unauthorized:
      return {
        type: errorTypes.mongo,
        message:
          `The user of ${where} lacks a privilege: ${whatIsNotAllowed(message)}. ` +
          'Grant it; it goes on by itself.',
      };
    case REFUSAL.authenticationFailed:
      return {
        type: errorTypes.mongo,
        message:
          `${capitalized(where)} refuses the login (${message}): user or password is wrong, or the ` +
          'user lives in another database (authSource). Correct it there, or correct ' +
          'MONGODB_URI_<ALIAS> and start the worker again; it keeps trying.',
      };
    case REFUSAL.atlas:
      return {
        type: errorTypes.mongo,
        message: `${capitalized(where)} does not allow what a migration needs: ${message}. It keeps trying.`,
      };
    case 73:
      return {
        type: errorTypes.invalidInput,
        permanent: true,
        message:
          `${capitalized(where)} takes no collection of that name, so there can be none to migrate: ` +
          `correct the namespace. The server said: ${message}`,
      };
    case 280:
    case 286:
      return {
        type: errorTypes.historyLost,
        permanent: true,
        message:
          `The oplog of ${where} no longer holds what follows the last change that was captured, so ` +
          'those changes are lost to this migration and it cannot go on. Start it again: the copy is ' +
          'repeated. Before that, enlarge the oplog or its minimum retention, or find out why ' +
          `capture stood still for so long. The server said: ${message}`,
      };
    case 10334:
      return isEvent(message) ? eventTooLarge(where, message) : { type: errorTypes.mongo, message };
    case 13297:
      return {
        type: errorTypes.preflightFailed,
        permanent: true,
        message:
          `${capitalized(where)} has a database whose name differs from the target's in upper and lower case only, ` +
          'which a server does not allow: give a targetNamespace in that database, or in one with another name. ' +
          `The server said: ${message}`,
      };
    case 14031:
      return {
        type: errorTypes.diskFull,
        message: `The disk of ${where} is full: ${message}. Free some space; it goes on by itself.`,
      };
    default:
      return { type: errorTypes.mongo, message: `${capitalized(where)} answered: ${message}` };
  }
}

function deployment({ alias }: FailureContext): string {
  return alias === undefined ? 'MongoDB' : `MongoDB "${alias}"`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What a server says of a missing privilege, without the command that it repeats: with an insert that means the documents. */
export function whatIsNotAllowed(message: string): string {
  const [, db, command, collection] =
    /^not authorized on (\S+) to execute command \{ (\w+): (?:"([^"]*)")?/.exec(message) ?? [];
  if (db === undefined) return message.split(/[{[]/)[0]?.trim() ?? 'the server does not say which';
  return `not authorized on ${collection ? `${db}.${collection}` : db} to execute ${command}`;
}

// Only the server's own work on an event fails while it executes, or shows a token as first element.
function isEvent(message: string): boolean {
  return /^(?:Plan)?Executor error|First element: _id: \{ _data:/.test(message);
}

function eventTooLarge(where: string, message: string): Explanation {
  return {
    type: errorTypes.eventTooLarge,
    permanent: true,
    message:
      `A change at ${where} is larger than the 16 MB that one change event may have, so the change ` +
      'stream ends there and cannot pass it. Only an _id of several MB makes one: delete such documents, ' +
      `then start the migration again: the copy is repeated. The server said: ${message}`,
  };
}
