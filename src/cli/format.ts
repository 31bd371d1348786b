import prettyBytes from 'pretty-bytes';
import prettyMilliseconds from 'pretty-ms';

/** A number as people read it: `12,345`. */
export function number(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Bytes as people read them: `1.2 GB`. */
export function bytes(value: number): string {
  return prettyBytes(value, { locale: 'en-US', maximumFractionDigits: 1 });
}

/** Seconds as people read them: `0.3 s`, `5m 3s`, `2d 4h`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${(Math.round(seconds * 10) / 10).toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return prettyMilliseconds(Math.round(seconds) * 1000, { unitCount: 2 });
}

/** Seconds from one moment to another, ISO 8601. */
export function secondsBetween(from: string, to: string): number {
  return Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
}

/** A moment in the time of this machine, to the second; with its day unless that is `today`'s. */
export function moment(iso: string, today: Date = new Date()): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const time = at.toLocaleTimeString('sv-SE');
  return at.toDateString() === today.toDateString()
    ? time
    : `${at.toLocaleDateString('sv-SE')} ${time}`;
}

/** A share of 1 as a bar; the cells are full or empty. */
export function bar(fraction: number, cells: number): string {
  const full = Math.floor(Math.min(1, Math.max(0, fraction)) * cells);
  return '█'.repeat(full) + '░'.repeat(cells - full);
}

/** One thing or several: `1 index`, `2 indexes`. */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** A word as a shell takes it. */
export function quoted(word: string): string {
  return /^[\w.:/@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
