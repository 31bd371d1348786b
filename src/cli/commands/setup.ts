import { KEYWORD_TYPE, missingAttributes, searchAttributeNames } from '../../search-attributes.js';
import { redact } from '../../redact.js';
import { CliError } from '../cli-error.js';
import type { Session } from '../session.js';
import { type CommonOptions, openContext } from './context.js';

/** What `csm setup --json` prints. */
export interface SetUp {
  readonly registered: readonly string[];
  readonly thereBefore: readonly string[];
}

/** `csm setup`: registers the search attributes of migrations in Temporal; those that are there stay. */
export async function setup(options: CommonOptions): Promise<void> {
  const { session, output } = await openContext(options);
  const registered = await findMissing(session);
  if (registered.length > 0) await register(session, registered);
  const thereBefore = searchAttributeNames.filter((name) => !registered.includes(name));
  output.data({ registered, thereBefore } satisfies SetUp);
  if (thereBefore.length > 0) output.say(`there before: ${thereBefore.join(', ')}`);
  if (registered.length === 0) return;
  output.say(
    `registered: ${registered.join(', ')}`,
    'Migrations that start from now on have them; Temporal may take a minute to know them everywhere.',
  );
}

/** The search attributes that Temporal does not know yet. */
export async function findMissing({ connection, namespace, call }: Session): Promise<string[]> {
  const { customAttributes } = await call(() =>
    connection.operatorService.listSearchAttributes({ namespace }),
  ).catch(refuse);
  return missingAttributes(customAttributes);
}

async function register(
  { connection, namespace, call }: Session,
  names: readonly string[],
): Promise<void> {
  const searchAttributes = Object.fromEntries(names.map((name) => [name, KEYWORD_TYPE]));
  await call(() =>
    connection.operatorService.addSearchAttributes({ namespace, searchAttributes }),
  ).catch(refuse);
}

function refuse(error: unknown): never {
  const reason = redact(error instanceof Error ? error.message : String(error));
  throw new CliError(
    'refused',
    `Temporal does not let this command see to search attributes: ${reason}`,
    {
      todo: [
        `have an operator register ${searchAttributeNames.join(', ')} with the type Keyword, on Temporal Cloud in its own UI or with tcld`,
        'migrations run without them just as well',
      ],
    },
  );
}
