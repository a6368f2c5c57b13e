/** SHA-256 of what it is given, with what it is told about it. */
import { createHash } from 'node:crypto';

export default function digest(bytes, { key, size, version }) {
  return { key, size, version, sha256: createHash('sha256').update(bytes).digest('hex') };
}
