import type { Db, UUID } from 'mongodb';
import { errorTypes, PermanentError } from '../errors.js';
import { type Catalogue, errorCode, majority, readCatalogue } from './catalogue.js';
import { differentOptions } from './catalogue-difference.js';
import { runCommand } from './raw.js';

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
  /** Whether the target knows `changeStreamPreAndPostImages` (6.0 and later). */
  readonly preImages: boolean;
  /** The collection that an earlier attempt created; another one of the name is a conflict. */
  readonly uuid?: UUID | undefined;
}

/**
 * Creates a collection with the options of `catalogue`, but for those that are held back. A second
 * run finds the collection, checks that it is as it should be, and changes nothing.
 * @returns the UUID of the collection.
 * @throws PermanentError PreflightFailed when another collection has this name.
 */
export async function createLike(
  db: Db,
  name: string,
  catalogue: Catalogue,
  { signal, preImages, uuid }: CreateOptions,
): Promise<UUID> {
  const wanted: string[] = [...createOptions];
  if (preImages) wanted.push('changeStreamPreAndPostImages');
  const options = new Map([...catalogue.options].filter(([option]) => wanted.includes(option)));
  const command = { create: name, ...Object.fromEntries(options), writeConcern: majority };
  try {
    await runCommand(db, command, { signal });
  } catch (error) {
    if (errorCode(error) !== NAMESPACE_EXISTS) throw error;
  }
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
