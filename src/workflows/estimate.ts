/** How far a copy has to be before its pace says anything: so much time, and a part of it or still more time. */
const LEAST = { seconds: 10, part: 0.01, enoughSeconds: 60 } as const;

/**
 * Seconds until a copy is done, if it goes on as it has since it began; `null` as long as that says little.
 * @param since when it began, and `asOf` when the documents were counted (ISO 8601).
 */
export function estimateCopy(
  { since, asOf }: { readonly since: string | undefined; readonly asOf: string },
  copied: number,
  total: number,
): number | null {
  if (since === undefined || copied === 0) return null;
  const elapsed = (Date.parse(asOf) - Date.parse(since)) / 1000;
  const isEnough = copied >= total * LEAST.part || elapsed >= LEAST.enoughSeconds;
  if (elapsed < LEAST.seconds || !isEnough) return null;
  return Math.round((elapsed / copied) * Math.max(0, total - copied));
}
