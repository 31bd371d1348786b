/** How far a copy has to be before its pace says anything: so much time, and a part of it or still more time. */
const LEAST = { seconds: 10, part: 0.01, enoughSeconds: 60 } as const;

/** From when to when documents were counted (ISO 8601). */
interface Period {
  /** When the copy began; missing before. */
  readonly since: string | undefined;
  readonly asOf: string;
}

/**
 * Seconds until a copy is done, if it goes on as it has since it began; `null` as long as that says little.
 */
export function estimateCopy(period: Period, copied: number, total: number): number | null {
  return measureCopy(period, copied, total)?.etaSeconds ?? null;
}

/** Documents a second since a copy began, and when it is done if that goes on; nothing as long as that says little. */
export function measureCopy(
  { since, asOf }: Period,
  copied: number,
  total: number,
): { readonly perSecond: number; readonly etaSeconds: number } | undefined {
  if (since === undefined || copied === 0) return undefined;
  const elapsed = (Date.parse(asOf) - Date.parse(since)) / 1000;
  const isEnough = copied >= total * LEAST.part || elapsed >= LEAST.enoughSeconds;
  if (elapsed < LEAST.seconds || !isEnough) return undefined;
  const etaSeconds = Math.round((elapsed / copied) * Math.max(0, total - copied));
  return { perSecond: copied / elapsed, etaSeconds };
}
