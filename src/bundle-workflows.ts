import { rename, writeFile } from 'node:fs/promises';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { workflowSources } from './workflow-bundle.js';

/** Writes the workflow code as one script into the file that the command line names. */
const [, , file] = process.argv;
if (file === undefined) throw new Error('usage: bundle-workflows <file>');
const logger = new DefaultLogger('WARN');
const { code } = await bundleWorkflowCode({ ...workflowSources(), logger });
// A worker that starts meanwhile must not read half of it.
await writeFile(`${file}.${process.pid}`, code);
await rename(`${file}.${process.pid}`, file);
