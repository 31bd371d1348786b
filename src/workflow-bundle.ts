import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BundleOptions } from '@temporalio/worker';
import { execa } from 'execa';

/** What the workflow code is made of. */
export function workflowSources(): Required<
  Pick<BundleOptions, 'workflowsPath' | 'preloadModules'>
> {
  // Without an extension, because it is .ts under tsx and .js after the build.
  const pathOf = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url));
  return { workflowsPath: pathOf('workflows'), preloadModules: [pathOf('workflow-schemas')] };
}

/**
 * The workflow code as one script. `npm run build` leaves it beside the compiled worker; otherwise a
 * child process makes it: in the worker itself the bundler's 150 MB would stay for as long as it runs.
 *
 * @throws when the bundler fails, with its output
 */
export async function loadWorkflowBundle(): Promise<{ readonly code: string }> {
  const built = fileURLToPath(new URL('./workflows.bundle.js', import.meta.url));
  if (existsSync(built)) return { code: await readFile(built, 'utf8') };
  const folder = await mkdtemp(join(tmpdir(), 'changestream-migration-bundle-'));
  try {
    const file = join(folder, 'workflows.bundle.js');
    const script = fileURLToPath(new URL('./bundle-workflows.ts', import.meta.url));
    await execa(process.execPath, [...process.execArgv, script, file]);
    return { code: await readFile(file, 'utf8') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
