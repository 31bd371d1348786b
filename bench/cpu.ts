import { readFileSync } from 'node:fs';

/** Linux counts in ticks of 10 ms, whatever the hardware does. */
const TICKS_PER_SECOND = 100;

/**
 * CPU seconds that a process has used so far, in user and kernel mode, with those of its children that have ended; from
 * /proc, so on Linux only.
 */
export function cpuSeconds(pid: number | 'self'): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in brackets may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks / TICKS_PER_SECOND;
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

/** The most memory that a process has held, in MB; from /proc, so on Linux only. */
export function peakMb(pid: number): number {
  const [, kB] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kB) / 1024);
}

/** Counts the CPU seconds of this process; the function gives what was used since, per million of what was done. */
export function startOwnCpuClock(): (done: number) => number {
  const before = process.cpuUsage();
  return (done) => {
    const { user, system } = process.cpuUsage(before);
    return round((user + system) / 1e6 / (done / 1e6));
  };
}

/** Rounds to hundredths. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
