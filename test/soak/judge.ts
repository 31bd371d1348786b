import type { MigrationStatus } from '../../src/workflows/status.js';
import type { Environment } from '../e2e/environment.js';
import { compareShapes, readShape } from './catalogue.js';
import type { Profile } from './collections.js';
import { compareStreams, type Difference, readAll } from './comparer.js';

/** Looks at what migrations have left. @returns what is wrong, a line each, and how many documents were read */
export async function judge(
  environment: Environment,
  statuses: ReadonlyMap<Profile, MigrationStatus | Error>,
  say: (line: string) => void,
): Promise<{ problems: string[]; documents: number }> {
  const problems: string[] = [];
  let documents = 0;
  for (const [{ name, options }, status] of statuses) {
    const compared = await compareCollection(environment, name, options['capped'] === true);
    documents += compared.documents;
    const found = [...problemsOf(status), ...compared.problems];
    const size = `${compared.documents} documents, ${(compared.bytes / 1e6).toFixed(1)} MB`;
    const cutover = status instanceof Error ? undefined : status.cutover;
    const downtime = `downtime ${cutover?.downtimeMs ?? '?'} ms`;
    say(`${JSON.stringify(name)}: ${size}, ${downtime}, ${found.length === 0 ? 'equal' : 'WRONG'}`);
    problems.push(...found.map((problem) => `${JSON.stringify(name)}: ${problem}`));
  }
  const left = await environment.leftovers();
  if (left.length > 0) problems.push(`left behind: ${left.join(', ')}`);
  return { problems, documents };
}

/** What the migration itself says that it should not. */
function problemsOf(status: MigrationStatus | Error): string[] {
  if (status instanceof Error) return [status.message];
  const problems: string[] = [];
  const { report } = status.verification;
  const disagrees = !report || report.differing + report.missing + report.extra > 0;
  if (status.phase !== 'completed') problems.push(`phase ${status.phase}`);
  if (disagrees) problems.push(`its own verification says ${JSON.stringify(report)}`);
  if (status.lateWrites?.count !== 0)
    problems.push(`late writes: ${JSON.stringify(status.lateWrites)}`);
  // The collection itself is what is to be left.
  const left = status.left?.filter((name) => name !== status.targetNamespace) ?? [];
  if (left.length > 0) problems.push(`left: ${left.join(', ')}`);
  return problems;
}

async function compareCollection(
  environment: Environment,
  name: string,
  capped: boolean,
): Promise<{ problems: string[]; documents: number; bytes: number }> {
  const [here, there] = [environment.sourceClient, environment.targetClient].map((client) =>
    client.db('shop'),
  );
  if (!here || !there) throw new Error('two databases were expected');
  const orders = capped ? (['_id', 'natural'] as const) : (['_id'] as const);
  const problems: string[] = [];
  let [documents, bytes] = [0, 0];
  for (const order of orders) {
    const [source, target] = [here, there].map((db) => readAll(db.collection(name), order));
    if (!source || !target) throw new Error('two streams were expected');
    const compared = await compareStreams(source, target);
    ({ documents, bytes } = compared);
    if (compared.count > 0) problems.push(`${compared.count} differences in order ${order}`);
    problems.push(...compared.first.map(lineOf));
  }
  const [from, to] = await Promise.all([readShape(here, name), readShape(there, name)]);
  problems.push(...compareShapes(from, to).map(lineOf));
  const [one, other] = await environment.hashes(name);
  if (one !== other || one === 'undefined') problems.push(`dbHash: ${one} and ${other}`);
  return { problems, documents, bytes };
}

function lineOf({ what, source, target }: Difference): string {
  return `${what}\n    source: ${source}\n    target: ${target}`;
}
