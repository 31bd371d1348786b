import {
  migrateCollectionsInput,
  type MigrateCollectionsOptions,
  parseMigrateCollections,
} from '../group-options.js';
import { groupId, workflowId } from '../names.js';
import { migrateCollectionInput, parseMigrateCollection, type Parsed } from '../options.js';
import { staticDetails, summaryOf } from '../static-details.js';
import { readNames } from './arguments.js';
import { CliError } from './cli-error.js';
import { describeNamespaces } from './group-lines.js';
import { inputFrom } from './migration-options.js';
import { plainNamespace } from './patterns.js';

/** The workflow that `csm start` starts. */
export interface StartOrder {
  readonly type: 'migrateCollection' | 'migrateCollections';
  readonly workflowId: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** What is shown beside its id in Temporal's UI. */
  readonly summary: string;
  /** What is shown on its page, as Markdown. */
  readonly details: string;
}

type Given = Readonly<Record<string, unknown>> & {
  readonly source: string;
  readonly target: string;
  readonly id?: string;
};

/** Options that `migrateCollections` alone has, and how they are typed. */
const groupOnly = {
  exclude: '--exclude',
  rename: '--rename',
  follow: '--follow',
  parallelCopies: '--parallel-copies',
} as const satisfies Partial<Record<keyof MigrateCollectionsOptions, string>>;

/**
 * What a command line asks to start: one plain namespace is a migration of that collection, all else is one
 * of many.
 * @param typed one to an argument, or several with commas; `\,` is a comma of a name.
 * @param takesId whether the command has `--id`, for what it advises.
 * @throws CliError usage
 */
export function startOrder(
  typed: readonly string[],
  given: Given,
  { takesId = true }: { readonly takesId?: boolean } = {},
): StartOrder {
  const namespaces = typed.flatMap((text) => readNames(text));
  const [first = '', ...others] = namespaces;
  const one = others.length === 0 ? plainNamespace(first) : undefined;
  const mine = Object.entries(groupOnly).find(([name]) => given[name] !== undefined)?.[1];
  if (one === undefined || (mine !== undefined && given.id !== undefined)) {
    return groupOrder(namespaces, given);
  }
  if (mine !== undefined) {
    const todo =
      mine === '--rename'
        ? `give its name at the target with --target-namespace, without ${mine}`
        : 'leave it out, or give more namespaces or a pattern';
    throw new CliError('usage', `${mine} is for several collections, and ${one} is one`, {
      todo: [
        todo,
        ...(takesId
          ? ['for a group of one collection give it an id of its own: --id <workflow-id>']
          : []),
      ],
    });
  }
  return collectionOrder(one, given);
}

/** The migration of one collection. @throws CliError usage */
export function collectionOrder(
  namespace: string,
  given: Given,
  more: Readonly<Record<string, unknown>> = {},
): StartOrder {
  const input = { ...inputFrom(migrateCollectionInput.shape, given), ...more, namespace };
  const options = checked(parseMigrateCollection(input));
  return {
    type: 'migrateCollection',
    workflowId: given.id ?? workflowId(given.source, namespace),
    input,
    summary: summaryOf(`${given.source}:${namespace} to ${given.target}`),
    details: staticDetails(options),
  };
}

function groupOrder(namespaces: readonly string[], given: Given): StartOrder {
  if (given['targetNamespace'] !== undefined) {
    throw new CliError('usage', '--target-namespace is for one collection', {
      todo: ["name many at the target by rules: --rename 'shop.*=store.*'"],
    });
  }
  const input = { ...inputFrom(migrateCollectionsInput.shape, given), namespaces };
  const options = checked(parseMigrateCollections(input));
  return {
    type: 'migrateCollections',
    workflowId: given.id ?? groupId(given.source, namespaces),
    input,
    summary: summaryOf(`${given.source}: ${describeNamespaces(namespaces)} to ${given.target}`),
    details: staticDetails(options),
  };
}

/** Checked here, so that a mistake never reaches Temporal. @throws CliError usage */
function checked<Options>(parsed: Parsed<Options>): Options {
  if ('value' in parsed) return parsed.value;
  throw new CliError('usage', parsed.error);
}
