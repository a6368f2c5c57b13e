/** The s3 store with its real transport: against a server that nobody here wrote, and against the scripted one. */
import { describe } from 'vitest';
import { startOrigin } from '../../dist/testing/index.js';
import { radosgwAvailable, startRadosgw } from '../kit/radosgw.mjs';
import { skipUnless } from '../kit/require-server.mjs';
import { COLUMNS } from './columns.mjs';
import { openS3 } from './s3.kit.js';
import { storeConformance } from './store.conformance.js';

storeConformance(COLUMNS.s3, async () => openS3(await startOrigin()));

describe.skipIf(skipUnless(radosgwAvailable()))('with radosgw', () => {
  storeConformance(COLUMNS.radosgw, async () => openS3(await startRadosgw()));
  storeConformance(COLUMNS.radosgwTls, async () => {
    const server = await startRadosgw();
    return openS3(server, server);
  });
});
