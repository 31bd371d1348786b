import type { Db, UUID } from 'mongodb';
import { errorTypes, PermanentError } from '../errors.js';
import { type Catalogue, errorCode, majority, readCatalogue } from './catalogue.js';
import { differentOptions } from './catalogue-difference.js';
import { type RawValue, runCommand } from './raw.js';
import { isShapeRefused } from './shape-refusal.js';

const NAMESPACE_EXISTS = 48;

/**
 * Options that staging is created with. Of the others, some are held back until the cutover
 * (`heldBackOptions`) and some are of no use there, `temp` above all: a server drops temporary
 * collections when it starts.
 */
const createOptions = [
  'capped',
  'size',
  'max',
  'storageEngine',
  'indexOptionDefaults',
  'collation',
  'clusteredIndex',
  'encryptedFields',
] as const;

/** Options without which a collection holds and enforces the same: a server that does not take one goes without. */
const dispensableOptions: readonly string[] = [
  'changeStreamPreAndPostImages',
  'recordPreImages',
  'storageEngine',
  'indexOptionDefaults',
];

/**
 * Options that must not act before the cutover: a validator would refuse documents that are older
 * than itself, and expiry would delete on its own.
 */
export const heldBackOptions = [
  'validator',
  'validationLevel',
  'validationAction',
  'expireAfterSeconds',
] as const;

/** What `createLike` may vary. */
export interface CreateOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether the target knows `changeStreamPreAndPostImages` (6.0 and later). Those that do not know
   * `recordPreImages`, which newer ones take and do nothing with.
   */
  readonly preImages: boolean;
  /** The collection that an earlier attempt created; another one of the name is a conflict. */
  readonly uuid?: UUID | undefined;
  /** Told of an option that the server does not take, and what it says. */
  readonly onLeftOut?: ((left: LeftOut) => void) | undefined;
}

/** An option of the source that the target is without. */
export interface LeftOut {
  readonly option: string;
  /** The server's words. */
  readonly why: string;
}

/**
 * Creates a collection with the options of `catalogue`, but for those that are held back. A second
 * run finds the collection, checks that it is as it should be, and changes nothing.
 * @returns the UUID of the collection.
 * @throws PermanentError PreflightFailed when another collection has this name, or the server does not
 * take an option that the collection cannot be without.
 */
export async function createLike(
  db: Db,
  name: string,
  catalogue: Catalogue,
  { signal, preImages, uuid, onLeftOut }: CreateOptions,
): Promise<UUID> {
  const wanted: string[] = [...createOptions];
  wanted.push(preImages ? 'changeStreamPreAndPostImages' : 'recordPreImages');
  const all = new Map([...catalogue.options].filter(([option]) => wanted.includes(option)));
  const options = await create(db, name, all, { signal, onLeftOut });
  const created = await readCatalogue(db, name, signal);
  // One that is known by its UUID is ours, although the source may have other options by now.
  const isKnown = uuid !== undefined && created?.uuid?.equals(uuid) === true;
  const differences = created && !isKnown ? differentOptions(options, created.options) : [];
  const isOurs = created?.uuid && (isKnown || (!uuid && differences.length === 0));
  if (!isOurs) {
    throw new PermanentError(
      errorTypes.preflightFailed,
      `the collection ${db.databaseName}.${name} at the target is not the one that this migration ` +
        `created${differences.length > 0 ? ` (its options differ: ${differences.join(', ')})` : ''}; ` +
        'drop or rename it and start again',
    );
  }
  return created.uuid;
}

type Options = ReadonlyMap<string, RawValue>;

/** @returns the options that the server has taken. */
async function create(
  db: Db,
  name: string,
  options: Options,
  { signal, onLeftOut }: Pick<CreateOptions, 'signal' | 'onLeftOut'>,
): Promise<Options> {
  const dispensable = [...options.keys()].filter((option) => dispensableOptions.includes(option));
  const attempts = [[], ...dispensable.map((option) => [option]), dispensable];
  let refusal: Error | undefined;
  for (const without of attempts) {
    const some = new Map([...options].filter(([option]) => !without.includes(option)));
    const command = { create: name, ...Object.fromEntries(some), writeConcern: majority };
    try {
      await runCommand(db, command, { signal });
    } catch (error) {
      if (isShapeRefused(error)) {
        refusal ??= error;
        continue;
      }
      if (errorCode(error) !== NAMESPACE_EXISTS) throw error;
    }
    for (const option of without) onLeftOut?.({ option, why: refusal?.message ?? '' });
    return some;
  }
  throw new PermanentError(
    errorTypes.preflightFailed,
    `the target does not take the collection's options (${[...options.keys()].join(', ')}), which it cannot be ` +
      `copied without: ${refusal?.message}; a newer target does, or one whose featureCompatibilityVersion is ` +
      'raised, or a collection without the option at the source',
  );
}
