// @ts-nocheck
/**
 * Objects made of other objects, without their bytes passing through the client: copy, rewrite, compose.
 *
 * A rewrite is one call here as in the service where neither class nor place changes; with the lie `rewrite-loop` a call moves
 * `by` bytes (1 MiB) and the next one needs its token.
 *
 * Sources: "Objects: copy", "Objects: rewrite" and "Objects: compose" of the JSON API reference.
 */
import { objectBytes } from '../response.js';
import { checkConditions, conditionsOf, sourceConditionsOf } from './conditions.js';
import { fail } from './failures.js';
import { generationOf } from './objects.js';
import { jsonAnswer, objectResource } from './resource.js';
import { absent, findVersion, putObject } from './store.js';
import { attributesOf, parseMetadata } from './uploads.js';
import type { Request } from '../request.js';
import type { Service } from './store.js';

const MIB = 1_048_576;
const MAX_COMPONENTS = 32;

/** The source of a copy, if its conditions hold; a failure has a `message`. */
function sourceOf(request, service) {
  const { bucket, key } = request.route.source;
  if (!service.buckets.has(bucket)) return fail('noBucket');
  const object = findVersion(service, bucket, key, request.params.get('sourceGeneration'));
  if (object === null) return absent(bucket, key);
  const failed = checkConditions(sourceConditionsOf(request.params), object, service.generationOffset, false);
  return failed === null || failed === 'unchanged' ? object : failed;
}

/** With metadata in the request those are the copy's, else the source's are. */
function copyOf(request, service, object) {
  const metadata = parseMetadata(request.body);
  if (metadata === null) return fail('invalid', 'Parse Error');
  const { componentCount, withoutMd5 } = object.attributes;
  const given = attributesOf(metadata, request, undefined);
  const attributes =
    Object.keys(given).length === 0 ? object.attributes : { ...given, componentCount, withoutMd5 };
  const { bucket, key } = request;
  const conditions = conditionsOf(request);
  return putObject(service, { bucket, key, body: objectBytes(object), attributes, conditions, stated: {} });
}

export function copyObject(request: Request, service: Service, base: string) {
  const source = sourceOf(request, service);
  if ('message' in source) return source;
  const written = copyOf(request, service, source);
  return 'message' in written
    ? written
    : jsonAnswer(request, objectResource(service, base, request.bucket, written));
}

const encodeToken = (state: any) => Buffer.from(JSON.stringify(state)).toString('base64url');

/** How far a token says that its rewrite is, null when it is of another one. */
function movedBy(token, name) {
  if (token === undefined) return 0;
  const state = parseMetadata(Buffer.from(token, 'base64url'));
  return state?.name === name && Number.isSafeInteger(state.moved) ? state.moved : null;
}

export function rewriteObject(
  request: Request,
  service: Service,
  base: string,
  bent: { lie?: string; by?: number },
) {
  const source = sourceOf(request, service);
  if ('message' in source) return source;
  const { params, bucket, key } = request;
  const generation = generationOf(source, service.generationOffset);
  const name = `${generation} ${request.route.source.key} ${bucket}/${key}`;
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
  if ('message' in written) return written;
  return jsonAnswer(request, { ...answer, resource: objectResource(service, base, bucket, written) });
}

/** The bytes of one component, or why there are none. */
function componentOf(service, bucket, { name, generation, objectPreconditions }) {
  const object = findVersion(
    service,
    bucket,
    name,
    generation === undefined ? undefined : String(generation),
  );
  if (object === null) return absent(bucket, name);
  const match = objectPreconditions?.ifGenerationMatch;
  const conditions = match === undefined ? {} : { match: String(match) };
  const failed = checkConditions(conditions, object, service.generationOffset, false);
  return failed === null || failed === 'unchanged' ? object : failed;
}

export function composeObject(request: Request, service: Service, base: string) {
  const { bucket, key } = request;
  const asked = parseMetadata(request.body);
  const sources = asked?.sourceObjects;
  if (asked === null || !Array.isArray(sources) || sources.length === 0) {
    return fail('required', 'You must provide at least one source component.');
  }
  if (sources.length > MAX_COMPONENTS) {
    const message = `The number of source components provided (${sources.length}) exceeds the maximum (${MAX_COMPONENTS})`;
    return fail('invalid', message);
  }
  const objects = sources.map((source) => componentOf(service, bucket, source));
  const missing = objects.find((one) => 'message' in one);
  if (missing !== undefined) return missing;
  const componentCount = objects.reduce((sum, { attributes }) => sum + (attributes.componentCount ?? 1), 0);
  const written = putObject(service, {
    bucket,
    key,
    body: Buffer.concat(objects.map(objectBytes)),
    attributes: {
      ...attributesOf(asked.destination ?? {}, request, undefined),
      componentCount,
      withoutMd5: true,
    },
    conditions: conditionsOf(request),
    stated: {},
  });
  return 'message' in written ? written : jsonAnswer(request, objectResource(service, base, bucket, written));
}
