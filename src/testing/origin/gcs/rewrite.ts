/**
 * Objects made of other objects, without their bytes passing through the client: copy, rewrite, compose.
 *
 * A rewrite is one call here as in the service where neither class nor place changes; with the lie `rewrite-loop` a call moves
 * `by` bytes (1 MiB) and the next one needs its token.
 *
 * Sources: "Objects: copy", "Objects: rewrite" and "Objects: compose" of the JSON API reference.
 */
import type { Stored } from '../catalogue.js';
import type { Bent } from '../dialect.js';
import { type Failure, isFailure } from '../failure.js';
import type { Request } from '../request.js';
import { type Response, objectBytes } from '../response.js';
import { checkConditions, conditionsOf, sourceConditionsOf } from './conditions.js';
import { isRecord, textOf } from './documents.js';
import { fail } from './failures.js';
import { type GcsAttributes, generationOf } from './objects.js';
import { jsonAnswer, objectResource } from './resource.js';
import type { Place, RoutedRequest } from './route.js';
import { type Service, absent, findVersion, putObject } from './store.js';
import { attributesOf, parseMetadata } from './uploads.js';

const MIB = 1_048_576;
const MAX_COMPONENTS = 32;

/** The source of a copy, if its conditions hold; a failure has a `message`. */
function sourceOf(request: Request, { bucket, key }: Place, service: Service): Stored | Failure {
  if (!service.buckets.has(bucket)) return fail('noBucket');
  const object = findVersion(service, bucket, key, request.params.get('sourceGeneration'));
  if (object === null) return absent(bucket, key);
  const failed = checkConditions(sourceConditionsOf(request.params), object, service.generationOffset, false);
  return failed === null || failed === 'unchanged' ? object : failed;
}

/** With metadata in the request those are the copy's, else the source's are. */
function copyOf(request: RoutedRequest, service: Service, object: Stored): Stored | Failure {
  const metadata = parseMetadata(request.body);
  if (metadata === null) return fail('invalid', 'Parse Error');
  const { componentCount, withoutMd5 }: GcsAttributes = object.attributes;
  const given = attributesOf(metadata, request, undefined);
  const attributes =
    Object.keys(given).length === 0 ? object.attributes : { ...given, componentCount, withoutMd5 };
  const { bucket, key } = request;
  const conditions = conditionsOf(request);
  return putObject(service, { bucket, key, body: objectBytes(object), attributes, conditions, stated: {} });
}

export function copyObject(
  request: RoutedRequest,
  from: Place,
  service: Service,
  base: string,
): Response | Failure {
  const source = sourceOf(request, from, service);
  if (isFailure(source)) return source;
  const written = copyOf(request, service, source);
  return isFailure(written)
    ? written
    : jsonAnswer(request, objectResource(service, base, request.bucket, written));
}

/** How far a rewrite is. */
interface Progress {
  readonly name: string;
  readonly moved: number;
}

const encodeToken = (state: Progress): string => Buffer.from(JSON.stringify(state)).toString('base64url');

/** How far a token says that its rewrite is, null when it is of another one. */
function movedBy(token: string | undefined, name: string): number | null {
  if (token === undefined) return 0;
  const state = parseMetadata(Buffer.from(token, 'base64url'));
  const moved = state?.name === name ? state.moved : null;
  return typeof moved === 'number' && Number.isSafeInteger(moved) ? moved : null;
}

export function rewriteObject(
  request: RoutedRequest,
  from: Place,
  service: Service,
  base: string,
  bent: Bent,
): Response | Failure {
  const source = sourceOf(request, from, service);
  if (isFailure(source)) return source;
  const { params, bucket, key } = request;
  const generation = generationOf(source, service.generationOffset);
  const name = `${generation} ${from.key} ${bucket}/${key}`;
  const before = movedBy(params.get('rewriteToken'), name);
  if (before === null) return fail('invalid', 'Invalid rewrite token.');
  const moved = bent.lie === 'rewrite-loop' ? Math.min(before + (bent.by ?? MIB), source.size) : source.size;
  const answer = {
    kind: 'storage#rewriteResponse',
    totalBytesRewritten: String(moved),
    objectSize: String(source.size),
    done: moved === source.size,
  };
  if (!answer.done) return jsonAnswer(request, { ...answer, rewriteToken: encodeToken({ name, moved }) });
  const written = copyOf(request, service, source);
  if (isFailure(written)) return written;
  return jsonAnswer(request, { ...answer, resource: objectResource(service, base, bucket, written) });
}

function componentsOf(object: Stored): number {
  const { componentCount }: GcsAttributes = object.attributes;
  return componentCount ?? 1;
}

/** One component, or why there is none. */
function componentOf(service: Service, bucket: string, asked: unknown): Stored | Failure {
  const { name: given, generation, objectPreconditions } = isRecord(asked) ? asked : {};
  const name = textOf(given);
  const object = findVersion(
    service,
    bucket,
    name,
    generation === undefined ? undefined : textOf(generation),
  );
  if (object === null) return absent(bucket, name);
  const match = isRecord(objectPreconditions) ? objectPreconditions.ifGenerationMatch : undefined;
  const conditions = match === undefined ? {} : { match: textOf(match) };
  const failed = checkConditions(conditions, object, service.generationOffset, false);
  return failed === null || failed === 'unchanged' ? object : failed;
}

export function composeObject(request: RoutedRequest, service: Service, base: string): Response | Failure {
  const { bucket, key } = request;
  const asked = parseMetadata(request.body);
  const sources: unknown = asked?.sourceObjects;
  if (asked === null || !Array.isArray(sources) || sources.length === 0) {
    return fail('required', 'You must provide at least one source component.');
  }
  if (sources.length > MAX_COMPONENTS) {
    const message = `The number of source components provided (${sources.length}) exceeds the maximum (${MAX_COMPONENTS})`;
    return fail('invalid', message);
  }
  const components = sources.map((source: unknown) => componentOf(service, bucket, source));
  const missing = components.find(isFailure);
  if (missing !== undefined) return missing;
  const objects = components.filter((one): one is Stored => !isFailure(one));
  const componentCount = objects.reduce((sum, object) => sum + componentsOf(object), 0);
  const written = putObject(service, {
    bucket,
    key,
    body: Buffer.concat(objects.map(objectBytes)),
    attributes: {
      ...attributesOf(isRecord(asked.destination) ? asked.destination : {}, request, undefined),
      componentCount,
      withoutMd5: true,
    },
    conditions: conditionsOf(request),
    stated: {},
  });
  return isFailure(written) ? written : jsonAnswer(request, objectResource(service, base, bucket, written));
}
