import { resolveTxt } from 'node:dns/promises';

const CONNECTION_STRING =
  /^(mongodb(?:\+srv)?:\/\/)(?:([^:@]*)(?::([^@]*))?@)?([^/?@]+)(?:\/([^?]*))?(?:\?(.*))?$/s;

// The tools take these milliseconds for seconds: 5000 would wait for 83 minutes. Their own defaults
// (3 s to connect, 30 s to find a server) are what people expect.
const TIMEOUTS = ['serverselectiontimeoutms', 'connecttimeoutms', 'sockettimeoutms'];
const READ_PREFERENCE = ['readpreference', 'readpreferencetags', 'maxstalenessseconds'];
const WRITE_CONCERN = ['w', 'journal', 'j', 'wtimeoutms', 'wtimeout'];
const EXTERNAL_SOURCE = ['GSSAPI', 'MONGODB-AWS', 'MONGODB-X509', 'MONGODB-OIDC'];

/** What a tool shall do beyond what the connection string says. */
export interface ToolUriOptions {
  readonly tool: 'mongodump' | 'mongorestore';
  /** Set name from `hello`. Without it a single host is used directly, even if it is a secondary. */
  readonly replicaSet?: string | undefined;
  /** Host and port of the one member to read from, whatever the read preference; only for mongodump. */
  readonly member?: string | undefined;
}

type Parameter = readonly [name: string, value: string];
type ResolveTxt = (host: string) => Promise<string[][]>;

/** Password of a connection string, decoded; undefined when it has none. */
export function passwordOf(uri: string): string | undefined {
  const password = CONNECTION_STRING.exec(uri)?.[3];
  return password === undefined ? undefined : decode(password);
}

/**
 * The connection string as mongodump and mongorestore need it to do what the driver does with the
 * original: no database (it would conflict with --db), and therefore the authentication source
 * spelled out; user and password encoded; options that the tools misread or let win removed.
 * Writes wait for the majority; reads see only what the majority has, so that nothing is copied
 * that a rollback takes back. Throws without quoting the connection string.
 */
export async function toolUri(
  uri: string,
  options: ToolUriOptions,
  resolve: ResolveTxt = resolveTxt,
): Promise<string> {
  const match = CONNECTION_STRING.exec(uri);
  if (match === null) {
    throw new TypeError('the connection string is not of the form mongodb://host[:port][/…]');
  }
  const [, scheme = '', user, password, hosts = '', database = '', query = ''] = match;
  const given = parameters(query);
  const credentials = user === undefined ? '' : userInfo(user, password);
  const source =
    credentials === '' && value(given, 'authMechanism') === undefined
      ? undefined
      : await authSource(given, database, scheme === 'mongodb+srv://' ? hosts : undefined, resolve);
  // What a DNS seed list implies has to be said of a single host.
  const implied: Parameter[] =
    scheme === 'mongodb+srv://' && options.member !== undefined && !isSecured(given)
      ? [['tls', 'true']]
      : [];
  const wanted = [...adapt(given, options), ...implied, ...(source === undefined ? [] : [source])];
  const search = wanted.map(([name, text]) => `${name}=${text}`).join('&');
  const address =
    options.member === undefined
      ? `${scheme}${credentials}${hosts}`
      : `mongodb://${credentials}${options.member}`;
  return `${address}/${search === '' ? '' : `?${search}`}`;
}

function adapt(given: readonly Parameter[], options: ToolUriOptions): Parameter[] {
  const kept = without(given, [...TIMEOUTS, 'authsource']);
  if (options.replicaSet !== undefined && canNameSet(given)) {
    kept.push(['replicaSet', encodeURIComponent(options.replicaSet)]);
  }
  if (options.tool === 'mongorestore') {
    return [...without(kept, [...READ_PREFERENCE, ...WRITE_CONCERN]), ['w', 'majority']];
  }
  const reads = options.member === undefined ? kept : toMember(kept);
  return [...without(reads, ['readconcernlevel']), ['readConcernLevel', 'majority']];
}

/** A member is read from as it is, be it a secondary. */
function toMember(given: readonly Parameter[]): Parameter[] {
  const several = [
    ...READ_PREFERENCE,
    'replicaset',
    'directconnection',
    'srvmaxhosts',
    'srvservicename',
  ];
  return [
    ...without(given, several),
    ['directConnection', 'true'],
    ['readPreference', 'secondaryPreferred'],
  ];
}

function isSecured(given: readonly Parameter[]): boolean {
  return value(given, 'tls') !== undefined || value(given, 'ssl') !== undefined;
}

function canNameSet(given: readonly Parameter[]): boolean {
  return (
    value(given, 'replicaSet') === undefined &&
    value(given, 'directConnection') !== 'true' &&
    value(given, 'loadBalanced') !== 'true'
  );
}

// Order of precedence as in the connection string specification: option, DNS, path, default.
async function authSource(
  given: readonly Parameter[],
  database: string,
  srvHost: string | undefined,
  resolve: ResolveTxt,
): Promise<Parameter> {
  const named = value(given, 'authSource');
  const published = srvHost === undefined ? [] : parameters(await textRecord(srvHost, resolve));
  const mechanism = value(given, 'authMechanism')?.toUpperCase() ?? '';
  const fallback = mechanism === 'PLAIN' ? '$external' : 'admin';
  const implied = EXTERNAL_SOURCE.includes(mechanism)
    ? '$external'
    : (value(published, 'authSource') ?? (decode(database) || fallback));
  return ['authSource', encodeURIComponent(named ?? implied)];
}

async function textRecord(host: string, resolve: ResolveTxt): Promise<string> {
  try {
    return (await resolve(host)).map((chunks) => chunks.join('')).join('&');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENODATA' || code === 'ENOTFOUND') return '';
    throw error;
  }
}

function parameters(query: string): Parameter[] {
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', ...rest] = pair.split('=');
      return [name, rest.join('=')];
    });
}

function value(given: readonly Parameter[], name: string): string | undefined {
  const found = given.find(([key]) => key.toLowerCase() === name.toLowerCase());
  return found === undefined ? undefined : decode(found[1]);
}

function without(given: readonly Parameter[], names: readonly string[]): Parameter[] {
  return given.filter(([name]) => !names.includes(name.toLowerCase()));
}

// The driver takes : and / in a password as they are, the tools do not.
function userInfo(user: string, password: string | undefined): string {
  const secret = password === undefined ? '' : `:${encodeURIComponent(decode(password))}`;
  return `${encodeURIComponent(decode(user))}${secret}@`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError('the connection string holds a % that is not part of a %XX encoding');
  }
}
