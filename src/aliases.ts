import zlib from 'node:zlib';
import { MongoClient } from 'mongodb';
import { Secret } from './secret.js';

const PREFIX = 'MONGODB_URI_';
const FILE_SUFFIX = '_FILE';
const ALIAS = /^[a-z][a-z0-9_]*$/;
const EXAMPLE = 'MONGODB_URI_SOURCE=mongodb://host:27017/?replicaSet=rs0';

/** Variables of the environment, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Connection strings by alias, and all that is wrong with how they are given. */
export interface Aliases {
  readonly uris: ReadonlyMap<string, Secret>;
  readonly problems: readonly string[];
}

/**
 * Reads `MONGODB_URI_<ALIAS>` and `MONGODB_URI_<ALIAS>_FILE`. What is wrong is told by the name of
 * the variable and in words of our own, because the driver's may repeat a part of the password.
 */
export function readAliases(env: Environment, readFile: (path: string) => string): Aliases {
  const uris = new Map<string, Secret>();
  const givenBy = new Map<string, string>();
  const problems: string[] = [];

  for (const variable of Object.keys(env).toSorted()) {
    const value = env[variable];
    if (!variable.startsWith(PREFIX) || !value) continue;
    const fromFile = variable.endsWith(FILE_SUFFIX);
    const alias = variable.slice(PREFIX.length, fromFile ? -FILE_SUFFIX.length : undefined);
    const name = alias.toLowerCase();
    if (!ALIAS.test(name)) {
      problems.push(
        `${variable}: "${name}" is no alias; use letters, digits and _, starting with a letter`,
      );
      continue;
    }
    const other = givenBy.get(name);
    if (other !== undefined) {
      problems.push(`${other} and ${variable} both define the alias "${name}"; keep one of them`);
      continue;
    }
    givenBy.set(name, variable);
    const read = fromFile ? readSecret(value, readFile) : { uri: value };
    const problem = 'problem' in read ? read.problem : explainBadUri(read.uri);
    if (problem !== undefined) problems.push(`${variable} ${problem}`);
    else if ('uri' in read) uris.set(name, new Secret(read.uri));
  }
  if (givenBy.size === 0 && problems.length === 0) problems.push(noAlias(env));
  return { uris, problems };
}

function noAlias(env: Environment): string {
  const nearly = env['MONGODB_URI'] ? ' (MONGODB_URI alone names no alias)' : '';
  return (
    `no MongoDB deployment is defined${nearly}: set MONGODB_URI_<ALIAS> or MONGODB_URI_<ALIAS>_FILE ` +
    `for the source and for the target, for example ${EXAMPLE}`
  );
}

type ReadSecret = { readonly uri: string } | { readonly problem: string };

function readSecret(path: string, readFile: (path: string) => string): ReadSecret {
  try {
    const uri = readFile(path).replace(/[\r\n]+$/, '');
    return uri === '' ? { problem: `names an empty file: ${path}` } : { uri };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no reason given';
    return { problem: `names a file that cannot be read: ${path} (${code})` };
  }
}

const EXPLANATIONS: readonly (readonly [RegExp, string])[] = [
  [/^invalid scheme/i, 'has to start with mongodb:// or mongodb+srv://'],
  [/host list are required/i, 'names no host'],
  [/multiple service names/i, 'is mongodb+srv:// and may name only one host'],
  [/cannot have port/i, 'is mongodb+srv:// and may not name a port'],
  [/^unable to parse/i, 'has a host or port that cannot be read'],
  [
    /unescaped|malformed|empty userinfo|^invalid connection string/i,
    'cannot be read: special characters in user or password have to be percent-encoded ' +
      '(% as %25, @ as %40, / as %2F, : as %3A, ? as %3F)',
  ],
];

/** The driver finds out at the first message. */
const hasZstd = 'zstdCompress' in zlib;
const NO_ZSTD =
  `asks for the compressor zstd, which takes Node.js 22.15 or later (this is ${process.versions.node}): ` +
  'take another Node.js, or snappy or zlib';

function explainBadUri(uri: string): string | undefined {
  try {
    const { compressors } = new MongoClient(uri).options;
    return compressors?.includes('zstd') && !hasZstd ? NO_ZSTD : undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    const lowerCase = message.toLowerCase();
    const known = EXPLANATIONS.find(([pattern]) => pattern.test(message))?.[1];
    if (known !== undefined) return known;
    const option = optionNames(uri).find((name) => lowerCase.includes(name.toLowerCase()));
    return option === undefined
      ? 'is refused by the driver: check its options'
      : `is refused by the driver because of its option ${option}`;
  }
}

// Only when the part before the question mark is beyond doubt: an unencoded ? in a password would
// make "option names" out of the rest of it.
const PLAIN_UNTIL_QUERY =
  /^mongodb(?:\+srv)?:\/\/(?:[^@/?]+@)?[\w.-]+(?::\d+)?(?:,[\w.-]+(?::\d+)?)*(?:\/[\w-]*)?\?([^@]*)$/;

function optionNames(uri: string): readonly string[] {
  return [...new URLSearchParams(PLAIN_UNTIL_QUERY.exec(uri)?.[1] ?? '').keys()];
}
