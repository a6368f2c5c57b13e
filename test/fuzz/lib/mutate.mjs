/**
 * Damage to bytes, in place: what a broken or hostile sender does to a well-formed message.
 *
 * The buffer has room behind the message; a mutation that would need more leaves the message as it is.
 */
const ODD_BYTES = Buffer.from(
  '\0\t\n\v\r !"#%&\'()*+,-./0159:;<=>?@AFafx[\\]^_{|}~\x7f\x80\x85\xa0\xad\xef\xff',
  'latin1',
);

/** Places `insert` at `at`; returns the new length. @param {Buffer} bytes @param {number} length @param {number} at @param {Buffer} insert */
function insertAt(bytes, length, at, insert) {
  if (length + insert.length > bytes.length) return length;
  bytes.copyWithin(at + insert.length, at, length);
  insert.copy(bytes, at);
  return length + insert.length;
}

/** @param {Buffer} bytes @param {number} length @param {number} from @param {number} to */
function cutOut(bytes, length, from, to) {
  bytes.copyWithin(from, to, length);
  return length - (to - from);
}

/** Where the next byte of that value is, at or after a random place; -1 for none. @param {import('./dice.mjs').Dice} dice @param {Buffer} bytes @param {number} length @param {number} wanted */
function somewhere(dice, bytes, length, wanted) {
  const at = bytes.indexOf(wanted, dice.below(length));
  return at < length ? at : -1;
}

/**
 * @param {import('./dice.mjs').Dice} dice @param {Buffer} bytes @param {number} length
 * @param {readonly Buffer[]} words what the grammar of the message is made of
 */
function mutateOnce(dice, bytes, length, words) {
  if (length === 0) return insertAt(bytes, 0, 0, dice.pick(words));
  const at = dice.below(length);
  switch (dice.below(12)) {
    case 0:
      bytes[at] = dice.word() & 255;
      return length;
    case 1:
      bytes[at] = dice.pick(ODD_BYTES);
      return length;
    case 2:
      return insertAt(
        bytes,
        length,
        at,
        ODD_BYTES.subarray((bytes[at] ?? 0) % 32, ((bytes[at] ?? 0) % 32) + 1),
      );
    case 3:
      return cutOut(bytes, length, at, at + 1);
    case 4:
      return cutOut(bytes, length, at, Math.min(length, at + dice.between(1, 24)));
    case 5: {
      const piece = Buffer.from(bytes.subarray(at, Math.min(length, at + dice.between(1, 40))));
      return insertAt(bytes, length, dice.chance(50) ? at : dice.below(length), piece);
    }
    case 6:
      return insertAt(bytes, length, at, dice.pick(words));
    case 7: {
      const other = dice.below(length);
      const byte = bytes[at] ?? 0;
      bytes[at] = bytes[other] ?? 0;
      bytes[other] = byte;
      return length;
    }
    default:
      return mutateLine(dice, bytes, length, words);
  }
}

const LINE_ENDS = [
  '\n',
  '\r',
  '\r\r\n',
  '\n\r',
  '\r\n ',
  '\r\n\t',
  '\r\n\r\n',
  ' \r\n',
  '\t\r\n',
  '\0\r\n',
  '',
].map((text) => Buffer.from(text, 'latin1'));

/** Damage where messages are most easily understood in two ways: at line ends, numbers and colons. @param {import('./dice.mjs').Dice} dice @param {Buffer} bytes @param {number} length @param {readonly Buffer[]} words */
function mutateLine(dice, bytes, length, words) {
  switch (dice.below(4)) {
    case 0: {
      const at = somewhere(dice, bytes, length, 13);
      if (at < 0) return length;
      return insertAt(bytes, cutOut(bytes, length, at, Math.min(length, at + 2)), at, dice.pick(LINE_ENDS));
    }
    case 1: {
      const at = somewhere(dice, bytes, length, 58);
      if (at < 0) return length;
      return insertAt(bytes, length, at + dice.below(2), dice.pick(words));
    }
    case 2: {
      const at = somewhere(dice, bytes, length, 48 + dice.below(10));
      if (at < 0) return length;
      return insertAt(bytes, length, at, dice.pick(words));
    }
    default: {
      // A whole line once more, somewhere else.
      const from = somewhere(dice, bytes, length, 10) + 1;
      const end = bytes.indexOf(10, from) + 1;
      if (from === 0 || end === 0 || end > length) return length;
      const line = Buffer.from(bytes.subarray(from, end));
      const place = somewhere(dice, bytes, length, 10) + 1;
      return insertAt(bytes, length, place, line);
    }
  }
}

/**
 * @param {import('./dice.mjs').Dice} dice @param {Buffer} bytes @param {number} length @param {readonly Buffer[]} words
 * @param {number} times
 * @returns {number} the new length
 */
export function mutate(dice, bytes, length, words, times) {
  let now = length;
  for (let done = 0; done < times; done += 1) now = mutateOnce(dice, bytes, now, words);
  return now;
}

/**
 * A short input that still fails: pieces are left out, ever smaller ones, as long as `fails` stays true.
 * @param {Uint8Array} input @param {(smaller: Uint8Array) => boolean} fails
 */
export function shrink(input, fails) {
  let best = input;
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.length;) {
      const smaller = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      if (smaller.length < best.length && fails(smaller)) best = smaller;
      else at += size;
    }
  }
  return best;
}
