/**
 * Seconds for which the capture may stand still before the source loses history.
 * @param heldHours hours of history that the source holds.
 * @param buffered up to when its changes are in the buffer; missing before the first.
 */
export function oplogSecondsLeft(heldHours: number, buffered: Date | undefined, now: Date): number {
  const behind = buffered ? (now.getTime() - buffered.getTime()) / 1000 : 0;
  return Math.max(0, heldHours * 3600 - behind);
}
