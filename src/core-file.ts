import { existsSync, writeFileSync } from 'node:fs';

/** Which of a process's memory Linux writes into its core file, as core(5) has it. */
const FILTER = '/proc/self/coredump_filter';

/**
 * Keeps the memory of this process, and of all programs that it starts, out of core files: connection strings and
 * documents are in it. Of a crash a core file then tells the threads and their registers. Elsewhere than on Linux this
 * does nothing; macOS writes no core files unless told to.
 */
export function emptyCoreFile(): void {
  try {
    if (existsSync(FILTER)) writeFileSync(FILTER, '0');
  } catch {
    // A sandbox may show it and not let it be written, and a worker is no less able to work for that.
  }
}
