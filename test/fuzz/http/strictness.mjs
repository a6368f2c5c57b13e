/**
 * What ours refuses though Node's parser takes it, by the reason that it gives (each number as N), and why it should.
 *
 * A reason that is not here is a disagreement: whoever makes the transport stricter says why, here.
 */
const RANGES = 'Not HTTP, but what was asked for: bytes of another place must not land (RFC 9110, 14.4).';
const FRAMING = 'A second reader on the way could see another end of the message.';
const LENGTH = 'What lands is bounded by what was asked for and by its target.';

/** @type {Readonly<Record<string, string>>} */
export const STRICTNESS = {
  'a Transfer-Encoding other than chunked': FRAMING,
  'Transfer-Encoding in HTTP/N.N': FRAMING,
  'Content-Length together with Transfer-Encoding': FRAMING,
  'two Content-Lengths': FRAMING,
  'a Content-Length that is not a number':
    'More than 15 digits: longer than any object, and not exact as a double.',
  'its status is not a number from N to N': 'RFC 9110, 15: there are five classes of status.',
  'its first line is not a status line of HTTP/N.N or HTTP/N.N':
    'Empty lines before it, HTTP/0.9 and HTTP/2.0 are not answered to us.',
  'the control character N': 'Not allowed in a reason phrase either (RFC 9112, 4).',
  'a LF without CR': 'Empty lines that end in LF before the status line.',
  'a CR without LF': 'A CR before the status line or in the reason phrase.',
  'a folded header line': 'Obsolete (RFC 9112, 5.2).',
  'a header name that is not a token': FRAMING,
  'it has more than N bytes': 'The bound is on the whole head; Node counts names and values.',
  'switches protocols': 'Nobody asked for another protocol.',
  'interim answers without end': 'More than 8: a server gone wrong.',
  'closes the connection by an interim answer': FRAMING,
  'the chunks of the body break their grammar':
    'Transfer-Encoding in a trailer, sizes of more than 12 digits, extensions without a name, and their bounds.',
  'the body has neither a Content-Length nor chunks, so its length cannot be verified':
    'A body that is cut short would pass for whole.',
  "the body has a Content-Encoding, which nobody asked for; if the object is stored so, the store's option allowContentEncoding reads the bytes as they are stored":
    'The bytes would not be those of the object.',
  'the body has N bytes, at most N were expected': LENGTH,
  'the body has more than N bytes': LENGTH,
  'the whole object was asked for, a part was served': RANGES,
  'the part has no Content-Range': RANGES,
  'bytes from N on were asked for, the whole object was served': RANGES,
  'the Content-Range cannot be understood': RANGES,
  'one range was asked for, several were served (multipart)': RANGES,
  'bytes N-N were asked for, N-N were served': RANGES,
  'the body is longer than its Content-Range': RANGES,
  'the Content-Range promises N bytes, the Content-Length N': RANGES,
};
