/** What one line of a tool's standard error says. */
export type ToolLine =
  | { readonly kind: 'dumped'; readonly documents: number }
  | { readonly kind: 'restored'; readonly documents: number; readonly failures: number }
  | { readonly kind: 'documents'; readonly count: number; readonly total?: number }
  | { readonly kind: 'bytes'; readonly count: number; readonly total?: number }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'other' };

const TIMESTAMP = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d{4})\t/;
const DUMPED = /^dumped (\d+) documents?$/;
// Not tied to the line's beginning: the collection's name stands before it and may hold newlines.
const DONE_DUMPING = / \((\d+) documents?\)$/;
const RESTORED =
  /^(\d+) document\(s\) restored successfully\. (\d+) document\(s\) failed to restore\.$/;
const REFUSED = /^continuing through error: (.*)$/;
const DOCUMENTS = /\s{2}(\d+)(?:\/(\d+))?(?:\s+\([\d.]+%\))?$/;
const BYTES = /\s{2}([\d.]+(?:B|KB|MB|GB))(?:\/([\d.]+(?:B|KB|MB|GB)))?(?:\s+\([\d.]+%\))?$/;

const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/** The line without the tool's own timestamp. */
export function messageOf(line: string): string {
  return line.replace(TIMESTAMP, '');
}

/** Reads a line of mongodump or mongorestore, with or without its timestamp. */
export function parseLine(line: string): ToolLine {
  const message = messageOf(line);
  const dumped = DUMPED.exec(message) ?? DONE_DUMPING.exec(message);
  if (dumped !== null) return { kind: 'dumped', documents: Number(dumped[1]) };
  const restored = RESTORED.exec(message);
  if (restored !== null) {
    return { kind: 'restored', documents: Number(restored[1]), failures: Number(restored[2]) };
  }
  const refused = REFUSED.exec(message);
  if (refused !== null) return { kind: 'refused', message: refused[1] ?? '' };
  const documents = DOCUMENTS.exec(message);
  if (documents !== null) return counted('documents', documents, Number);
  const bytes = BYTES.exec(message);
  if (bytes !== null) return counted('bytes', bytes, byteCount);
  return { kind: 'other' };
}

function counted(
  kind: 'documents' | 'bytes',
  [, count = '', total]: RegExpExecArray,
  read: (text: string) => number,
): ToolLine {
  return total === undefined
    ? { kind, count: read(count) }
    : { kind, count: read(count), total: read(total) };
}

// The tools print three figures, so this is within half a percent of the truth.
function byteCount(text: string): number {
  const [, figures = '', unit = ''] = /^([\d.]+)([A-Z]+)$/.exec(text) ?? [];
  return Math.round(Number(figures) * (UNITS[unit] ?? Number.NaN));
}
