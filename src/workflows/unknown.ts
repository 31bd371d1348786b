import {
  setDefaultSignalHandler,
  setDefaultUpdateHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { workflowTypes } from '../names.js';
import { didYouMean } from '../nearest.js';
import { invalid } from './failure.js';

/**
 * Answers messages of other names than those known with what was perhaps meant. To be called once those that people
 * send have their handlers: one that has waited for its own would come here.
 */
export function listenForUnknown(
  known: readonly string[],
  reject: (message: string) => void,
): void {
  const describe = (kind: string, name: string) =>
    `unknown ${kind} "${name}"${didYouMean(name, known)}: known are ${known.join(', ')}`;
  setDefaultSignalHandler((name) => reject(describe('signal', name)));
  setDefaultUpdateHandler((name) => {
    throw invalid(describe('update', name));
  });
}

/**
 * Runs where a workflow is started by a name that is none of ours, which would else wait for ever for a worker that
 * knows it.
 * @throws ApplicationFailure InvalidInput
 */
export async function endUnknown(): Promise<never> {
  const { workflowType } = workflowInfo();
  throw invalid(
    `unknown workflow type "${workflowType}"${didYouMean(workflowType, workflowTypes)}: known are ${workflowTypes.join(', ')}`,
  );
}
