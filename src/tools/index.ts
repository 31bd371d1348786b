export { dumpPartition, type DumpOptions, type DumpProgress, type DumpResult } from './dump.js';
export { findTools, type Tools } from './find-tools.js';
export {
  restorePartition,
  type RestoreOptions,
  type RestoreProgress,
  type RestoreResult,
} from './restore.js';
export { isDocumentsRefused, ToolError, type ToolFailure, type ToolName } from './tool-error.js';
