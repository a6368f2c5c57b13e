/** Pure core: a row of a job table as the worker reads it. */
import { Job, JobFlag } from '../../protocol/tables.js';

export interface FetchJob {
  readonly id: number;
  readonly key: Uint8Array;
  readonly version: string | null;
  readonly offset: number;
  readonly capacity: number;
  readonly start: number;
  readonly length: number;
  readonly whole: boolean;
  readonly verify: boolean;
}

const decoder = new TextDecoder();

export function readJob(cells: Float64Array, blob: Uint8Array, base: number): FetchJob {
  const keyStart = cells[base + Job.BlobStart]!;
  const keyEnd = keyStart + cells[base + Job.KeyLength]!;
  const versionLength = cells[base + Job.VersionLength]!;
  const flags = cells[base + Job.Flags]!;
  return {
    id: cells[base + Job.Id]!,
    key: blob.subarray(keyStart, keyEnd),
    version: versionLength === 0 ? null : decoder.decode(blob.subarray(keyEnd, keyEnd + versionLength)),
    offset: cells[base + Job.Offset]!,
    capacity: cells[base + Job.Capacity]!,
    start: cells[base + Job.Start]!,
    length: cells[base + Job.Length]!,
    whole: (flags & JobFlag.Whole) !== 0,
    verify: (flags & JobFlag.Verify) !== 0,
  };
}
