const MASK = '***';

// Greedy up to the last @ before a blank or quote: a password that someone forgot to encode may
// itself hold / or @, and hiding too much is better than too little.
const USER_INFO = /(mongodb(?:\+srv)?:\/\/)[^\s"'`<>]*@/gi;
const URI_SECRETS = /((?:AWS_SESSION_TOKEN:|tlsCertificateKeyFilePassword=))[^\s&,"'`<>]+/gi;

/**
 * Hides the user and password of every MongoDB connection string in `text`, and each of `secrets`
 * in every spelling in which tools and drivers print it: as given, percent-encoded and decoded.
 */
export function redact(text: string, secrets: readonly string[] = []): string {
  return secrets
    .flatMap(spellings)
    .toSorted((one, other) => other.length - one.length)
    .reduce((masked, spelling) => masked.replaceAll(spelling, MASK), text)
    .replace(USER_INFO, `$1${MASK}@`)
    .replace(URI_SECRETS, `$1${MASK}`);
}

function spellings(secret: string): readonly string[] {
  const decoded = decode(secret);
  const encoded = encodeURIComponent(decoded);
  const quoted = JSON.stringify(decoded).slice(1, -1);
  return [...new Set([secret, decoded, encoded, quoted])].filter((spelling) => spelling !== '');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A bare % is not an encoding.
  }
}
