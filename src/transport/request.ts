/**
 * Builds the head of a request. Pure.
 *
 * Invariants:
 * 1. Nothing that could end a line or a head early gets into it: what is not plain is refused, not repaired.
 * 2. A refusal tells the place, never the value: targets and headers carry signatures.
 */
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { headerLines } from '../protocol/headers.js';
import type { BodySink, PreparedRequest } from '../protocol/http.js';

const METHOD = /^[A-Z]+$/;
/** Anything that may not stand in a request target: controls, space, DEL, and what latin1 does not have. */
const NOT_TARGET = /[^\x21-\x7e\x80-\xff]/;

/** The whole head, latin1, or why there is none. */
export function requestHead(request: PreparedRequest, sink: BodySink): string | MillraceError {
  const { method, target, constant, headers, body, range, origin } = request;
  if (method !== 'GET' && !METHOD.test(method)) {
    return invalid(origin.id, 'the method is not a word in capital letters');
  }
  if (target.charCodeAt(0) !== 47 || NOT_TARGET.test(target)) {
    return invalid(
      origin.id,
      'the request target must begin with a slash and have neither spaces nor control characters',
    );
  }
  const problem = sizeProblem(range, sink);
  if (problem !== '') return invalid(origin.id, problem);
  const lines = headerLines(headers);
  if (typeof lines === 'string') return invalid(origin.id, lines);
  const hosts = lines.hosts + (constant?.hosts ?? 0);
  if (hosts !== 1) return invalid(origin.id, `there must be one Host header, ${hosts} were given`);
  let length = '';
  if (body !== null) length = `Content-Length: ${body.length}\r\n`;
  else if (method === 'PUT' || method === 'POST') length = 'Content-Length: 0\r\n';
  return `${method} ${target} HTTP/1.1\r\n${constant?.text ?? ''}${lines.text}${length}\r\n`;
}

function sizeProblem(range: PreparedRequest['range'], sink: BodySink): string {
  if (range === null) return '';
  const { start, length } = range;
  if (!Number.isSafeInteger(start) || start < 0 || !Number.isSafeInteger(length) || length < 1) {
    return `the range (start ${start}, length ${length}) is not one of at least one byte`;
  }
  if (sink.kind === 'land' && length > sink.target.length) {
    return `a range of ${length} bytes was asked for, the target has ${sink.target.length}`;
  }
  return '';
}

function invalid(origin: string, problem: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, `cannot send a request to ${origin}: ${problem}`, {
    phase: 'request',
  });
}
