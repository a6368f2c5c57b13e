/**
 * Which dialects there are, by the names that `OriginOptions.dialect` takes.
 */
import { createAzure } from './azure/dialect.js';
import type { Common, Dialect } from './dialect.js';
import { createGcs } from './gcs/dialect.js';
import type { DialectName } from './options.js';
import { createS3 } from './s3/dialect.js';

const DIALECTS: Readonly<Record<DialectName, (common: Common) => Dialect>> = {
  s3: createS3,
  azure: createAzure,
  gcs: createGcs,
};

export function createDialect(name: DialectName, common: Common): Dialect {
  if (!Object.hasOwn(DIALECTS, name))
    throw new Error(`dialect: ${name} is none of ${Object.keys(DIALECTS).join(', ')}`);
  return DIALECTS[name](common);
}
