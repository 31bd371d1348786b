import type { ToolNamespace } from './arguments.js';

/** Name of a program of the MongoDB Database Tools. */
export type ToolName = 'mongodump' | 'mongorestore';

/** Why a tool failed, for code that decides whether to try again. */
export type ToolFailure =
  | 'missing' // The program is not there or cannot be run.
  | 'killed' // Somebody else ended it: an operator, or the kernel for want of memory.
  | 'authentication'
  | 'unauthorized'
  | 'unreachable'
  | 'noSpace'
  | 'noCollection' // Nothing was there to dump.
  | 'documents' // The server does not take one of the documents, or has it already and none was to be left out.
  | 'incomplete' // It claims success without its closing counts.
  | 'failed';

export interface ToolErrorDetails {
  readonly tool: ToolName;
  readonly namespace: ToolNamespace;
  readonly binary: string;
  /** Folder of the dump's file. */
  readonly folder: string;
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** Last lines that the tool wrote, without passwords and timestamps. */
  readonly stderrTail: readonly string[];
}

/** A run of mongodump or mongorestore that failed; the message says what to do. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
  readonly tool: ToolName;
  readonly failure: ToolFailure;
  /** Undefined when a signal ended the tool, or when it never started. */
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stderrTail: readonly string[];

  constructor(details: ToolErrorDetails) {
    const failure = recognize(details);
    const { database, collection } = details.namespace;
    super(`${details.tool} of ${database}.${collection} ${explain(failure, details)}`);
    this.tool = details.tool;
    this.failure = failure;
    this.exitCode = details.exitCode;
    this.signal = details.signal;
    this.stderrTail = details.stderrTail;
  }
}

/**
 * Whether a tool stopped because the server does not take a document, as a server of another version may, or has one of
 * its `_id` already, as in a dump of a collection in which it was deleted and inserted again meanwhile.
 */
export function isDocumentsRefused(error: unknown): error is ToolError {
  return error instanceof ToolError && error.failure === 'documents';
}

const PATTERNS: readonly (readonly [ToolFailure, RegExp])[] = [
  ['noSpace', /no space left on device|disk quota exceeded|OutOfDiskSpace/i],
  ['authentication', /authentication ?failed|unable to authenticate|auth error/i],
  ['unauthorized', /not authorized|requires authentication|\(Unauthorized\)/i],
  [
    'unreachable',
    /connection refused|no such host|server selection (?:error|timeout)|no reachable servers|i\/o timeout/i,
  ],
  [
    'documents',
    /\((?:NonConformantBSON|InvalidBSON)\)|write errors: \[|error unmarshaling BSON document/,
  ],
];

function recognize({ exitCode, signal, stderrTail }: ToolErrorDetails): ToolFailure {
  if (signal !== undefined) return 'killed';
  // What a POSIX shell answers when it cannot find (127) or run (126) a program.
  if (exitCode === undefined || exitCode === 126 || exitCode === 127) return 'missing';
  const text = stderrTail.join('\n');
  if (exitCode === 0) return /does not exist$/m.test(text) ? 'noCollection' : 'incomplete';
  return PATTERNS.find(([, pattern]) => pattern.test(text))?.[0] ?? 'failed';
}

function explain(failure: ToolFailure, details: ToolErrorDetails): string {
  const { tool, binary, exitCode, signal, folder, stderrTail } = details;
  const last = stderrTail.findLast((line) => line.startsWith('Failed: ')) ?? stderrTail.at(-1);
  const said = last === undefined ? '' : ` It said: ${last}`;
  switch (failure) {
    case 'missing':
      return `could not start: ${binary} cannot be run. Install the MongoDB Database Tools on the worker, or set ${tool.toUpperCase()}_BIN.${said}`;
    case 'killed':
      return `was ended by ${signal} from outside. If nobody did that, look for the kernel's out-of-memory killer and give the worker more memory.`;
    case 'authentication':
      return `was refused: user or password is wrong, or the user lives in another database (authSource). Correct the connection string on the worker.${said}`;
    case 'unauthorized':
      return `was refused: the user lacks a role it needs (read on the source, readWrite on the target).${said}`;
    case 'unreachable':
      return `could not reach the server. Check that it runs and that the worker may connect to it.${said}`;
    case 'noSpace':
      return tool === 'mongodump'
        ? `ran out of disk space in ${folder}. Free some, or use fewer or smaller partitions at a time.${said}`
        : `failed because the target server ran out of disk space. Free some there.${said}`;
    case 'noCollection':
      return 'found nothing: the collection does not exist. It was dropped or renamed, or its name is misspelled.';
    case 'documents':
      return `stopped at a document that the server does not take, or has already.${said}`;
    case 'incomplete':
      return `ended as if well, but without saying how many documents it handled, so it is not trusted. Use version 100.x of the tools.${said}`;
    case 'failed':
      return `failed with exit code ${exitCode}.${said}`;
    default:
      return failure satisfies never;
  }
}
