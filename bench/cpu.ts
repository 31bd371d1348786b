import { readFileSync } from 'node:fs';

/** Linux counts in ticks of 10 ms, whatever the hardware does. */
const TICKS_PER_SECOND = 100;

/** CPU seconds that a process has used so far, in user and kernel mode; from /proc, so on Linux only. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in brackets may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Counts the CPU seconds of processes by name; the function gives what was used since. */
export function startCpuClock(
  pids: Readonly<Record<string, number | undefined>>,
): () => Record<string, number> {
  const known = Object.entries(pids).flatMap(([name, pid]): [string, number, number][] =>
    pid === undefined ? [] : [[name, pid, cpuSeconds(pid)]],
  );
  return () =>
    Object.fromEntries(
      known.map(([name, pid, before]) => [`${name}CpuS`, round(cpuSeconds(pid) - before)]),
    );
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
