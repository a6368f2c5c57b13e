/** The s3 store against a second server that shares no code with radosgw; a file of its own, because it is slow. */
import { describe } from 'vitest';
import { skipUnless } from '../kit/require-server.mjs';
import { startSwift, swiftAvailable } from '../kit/swift.mjs';
import { COLUMNS } from './columns.mjs';
import { openS3 } from './s3.kit.js';
import { storeConformance } from './store.conformance.js';

describe.skipIf(skipUnless(swiftAvailable()))('with Swift', () => {
  storeConformance(COLUMNS.swift, async () => openS3(await startSwift()));
});
