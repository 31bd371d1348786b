import { rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

/** Writes the workflow code as one script into the file that the command line names. */
const [, , file] = process.argv;
if (file === undefined) throw new Error('usage: bundle-workflows <file>');
// The folder, because its index is a .ts under tsx and a .js after the build.
const workflowsPath = fileURLToPath(new URL('./workflows', import.meta.url));
const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
// A worker that starts meanwhile must not read half of it.
await writeFile(`${file}.${process.pid}`, code);
await rename(`${file}.${process.pid}`, file);
