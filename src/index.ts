/** What users import, and nothing else. */
export {
  Runtime,
  type Cursor,
  type FailureRecord,
  type RuntimeRecord,
  type RuntimeStats,
  type TerminalRecord,
} from './host/runtime.js';
export type { DecoratorSpec } from './decorators/declared.js';
export type {
  AzureAccessToken,
  AzureOptions,
  AzureTokenCredential,
  CustomStore,
  GcsAccessToken,
  GcsHmacKey,
  GcsOptions,
  GcsServiceAccount,
} from './host/schemes.js';
export type { Batch } from './loader/batch.js';
export {
  ObjectDataset,
  type ByteRange,
  type DatasetLike,
  type MapDataset,
  type ObjectRef,
  type ObjectReference,
} from './loader/datasets.js';
export type { GetOptions } from './loader/direct.js';
export type { GetRangesOptions } from './loader/get-ranges.js';
export type { Item } from './loader/item.js';
export type { ListedEntry, ListOptions } from './loader/list.js';
export type { Loader } from './loader/loader.js';
export type { ObjectResult } from './loader/object-result.js';
export type { HedgeOptions, LoaderOptions, RangeOptions, Sampler, Shuffle } from './loader/options.js';
export type { RangeResult, RangesResult } from './loader/ranges-result.js';
export type { RuntimeOptions } from './loader/runtime-options.js';
export type { ExplainRow } from './loader/schema.js';
export type { StopOptions } from './loader/stop-options.js';
export type { CopiedRow, CopyPrefixOptions } from './loader/writes/copy-prefix.js';
export type { DeletedRow, DeleteOptions, DeletePrefixOptions } from './loader/writes/delete.js';
export type { Chunk, ChunkSource } from './loader/writes/gather.js';
export type { PutOptions, WriteOptions } from './loader/writes/options.js';
export type { WrittenObject } from './loader/writes/put.js';
export type { AbortUploadOptions, UnfinishedUpload } from './loader/writes/uploads.js';
export type { ChecksumAlgorithm } from './protocol/checksums/algorithms.js';
export type { VerifyPolicy } from './protocol/checksums/expected.js';
export type { TransformContext, TransformFunction } from './protocol/context.js';
export { ErrorCode, MillraceError, type ErrorContext, type ErrorPhase } from './protocol/errors.js';
export type { EndpointStats, WorkerStats } from './protocol/messages.js';
export { formatBytes, formatDuration, parseBytes, parseDuration } from './protocol/sizes.js';
export { StopState } from './protocol/stop.js';
export type { AsyncStore as Store, KeyPage, ObjectInfo, StoreSnapshot } from './protocol/store.js';
export type { WriteRequest, WriteResult } from './protocol/writes.js';
export { CancellationToken, type DrainOptions } from './protocol/token.js';
