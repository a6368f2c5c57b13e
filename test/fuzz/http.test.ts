/**
 * A small share of the fuzzing of answers, with a seed that is fixed and one that is new: minutes of it are
 * `npm run fuzz -- --target http --minutes 5`.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HttpTarget } from './http/compare.mjs';
import { Reference } from './http/reference.mjs';
import { STRICTNESS } from './http/strictness.mjs';
import { Dice } from './lib/dice.mjs';

const INPUTS = 15_000;
const fresh = Math.floor(Math.random() * 0x7fff_ffff);

/** What the two parsers disagree about, in so many inputs of a seed. */
function disagreements(seed: number, inputs: number): { found: string[]; target: HttpTarget } {
  const target = new HttpTarget();
  const dice = new Dice();
  const found: string[] = [];
  for (let input = 0; input < inputs && found.length < 5; input += 1) {
    dice.reseed(seed, input);
    const what = target.run(dice, input);
    if (what !== null) found.push(`seed ${seed}, input ${input}: ${what}`);
  }
  return { found, target };
}

describe("the transport's parser beside Node's own", () => {
  it('takes nothing that Node refuses, and understands what both take alike: the fixed seed', () => {
    const { found, target } = disagreements(1, INPUTS);
    expect(found).toEqual([]);
    // Not by refusing all of it: a third is taken by both, and what ours alone refuses is told by its reason.
    expect(target.ends.accepted).toBeGreaterThan(INPUTS / 4);
    expect(target.ends.refusedByBoth).toBeGreaterThan(INPUTS / 4);
    expect(target.ends.strict).toBeGreaterThan(INPUTS / 20);
  });

  it(`does so for inputs that nobody has seen yet: seed ${fresh}`, () => {
    expect(disagreements(fresh, INPUTS).found).toEqual([]);
  });

  it('is stricter for reasons that all occur and are all known', () => {
    const target = new HttpTarget();
    const bytes = (text: string): [Buffer, number] => [Buffer.from(text, 'latin1'), text.length];
    const head = 'HTTP/1.1 200 OK\r\n';
    for (const [input, length] of [
      bytes(`${head}Transfer-Encoding: gzip\r\n\r\n`),
      bytes(`${head}X: a\r\n b\r\nContent-Length: 0\r\n\r\n`),
      bytes('HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n'),
    ]) {
      expect(target.compare(input, length, 0, [])).toBeNull();
    }
    for (const reason of target.strict.keys()) expect(STRICTNESS).toHaveProperty([reason]);
    expect(target.strict.size).toBeGreaterThan(0);
  });

  it('agrees about answers made of whole lines, wherever they are cut', () => {
    const target = new HttpTarget();
    const line = fc.constantFrom(
      'HTTP/1.1 200 OK',
      'HTTP/1.1 206 P',
      'HTTP/1.1 100 C',
      'HTTP/1.0 404 N',
      'Content-Length: 5',
      'Content-Length:\t5 ',
      'Transfer-Encoding: chunked',
      'Content-Range: bytes 0-4/10',
      'Connection: close',
      'X: y',
      '',
      '',
      '5',
      '5;a="b"',
      'hello',
      '0',
    );
    const answers = fc.tuple(
      fc.array(line, { maxLength: 12 }),
      fc.nat(6),
      fc.array(fc.nat(100), { maxLength: 3 }),
    );
    fc.assert(
      fc.property(answers, ([lines, asked, cuts]) => {
        const input = Buffer.from(['HTTP/1.1 200 OK', ...lines, ''].join('\r\n'), 'latin1');
        const places = cuts.map((cut) => cut % (input.length + 1)).toSorted((a, b) => a - b);
        expect(target.compare(input, input.length, asked, places)).toBeNull();
      }),
      { numRuns: 3000 },
    );
  });

  it('is not compared with a parser that takes anything', () => {
    const node = new Reference();
    const refusals = [
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n',
      'HTTP/1.1 200 OK\nX: y\n\n',
    ];
    for (const text of refusals) {
      node.begin(false);
      node.feed(Buffer.from(text));
      expect(node.refusal).not.toBeNull();
    }
    node.begin(false);
    node.feed(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'));
    expect([node.refusal, node.complete, node.bodyLength]).toEqual([null, true, 2]);
  });
});
