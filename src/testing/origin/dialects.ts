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

export const createDialect = (name: DialectName, common: Common): Dialect => DIALECTS[name](common);
