import { z } from 'zod';

const advisory = z.object({
  name: z.string(),
  title: z.string(),
  url: z.string(),
  severity: z.string(),
  range: z.string(),
});

/** What `npm audit --json` prints when it has an answer (its report version 2). */
const report = z.object({
  auditReportVersion: z.literal(2),
  // Texts name packages that only depend on the one that has the advisory.
  vulnerabilities: z.record(
    z.string(),
    z.object({ via: z.array(z.union([z.string(), advisory])) }),
  ),
});

/** What it prints when no advisories could be had. */
const refusal = z.object({ message: z.string() });

/** What an audit says of the packages that users install. */
export type Verdict =
  | { readonly kind: 'clean'; readonly explained: readonly string[] }
  | { readonly kind: 'vulnerable'; readonly advisories: readonly string[] }
  | { readonly kind: 'unknown'; readonly reason: string };

/**
 * Reads the JSON of `npm audit`.
 *
 * @param explained why an advisory does not concern this project, by its id (`GHSA-…`)
 */
export function judge(json: string, explained: Readonly<Record<string, string>>): Verdict {
  const answer = parse(json);
  const { success, data } = report.safeParse(answer);
  if (!success) {
    const refused = refusal.safeParse(answer);
    return { kind: 'unknown', reason: refused.data?.message ?? 'npm audit gave no report' };
  }
  const found = new Map(
    Object.values(data.vulnerabilities)
      .flatMap(({ via }) => via)
      .filter((each) => typeof each !== 'string')
      .map((each) => [each.url.split('/').at(-1) ?? each.url, each]),
  );
  const advisories = [...found]
    .filter(([id]) => explained[id] === undefined)
    .map(
      ([id, { name, range, severity, title }]) => `${id}: ${name} ${range} (${severity}): ${title}`,
    );
  return advisories.length > 0
    ? { kind: 'vulnerable', advisories }
    : { kind: 'clean', explained: [...found.keys()].map((id) => `${id}: ${explained[id]}`) };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
