/** What a simulation draws from: the oracle, the orders of events, the places of faults. */
import { describe, expect, it } from 'vitest';
import { Oracle, type Choice } from '../../dist/runtime/simulation/oracle.js';
import { createPolicy, POLICIES, type Candidate } from '../../dist/runtime/simulation/policies.js';
import { FAULTS, FaultSites } from '../../dist/runtime/simulation/sites.js';
import { parseTape, printTape } from './tapes.kit.js';

describe('the oracle', () => {
  function answersOf(oracle: Oracle): unknown[] {
    return [
      oracle.choose(10, 'a'),
      oracle.chance(0.5, 'b'),
      oracle.between(3, 9, 'c'),
      oracle.of(['x', 'y', 'z'], 'd'),
      oracle.fraction('e'),
      oracle.decide(5, 'f', 3),
    ];
  }

  it('answers the same for the same seed, and for the tape of that', () => {
    const first = new Oracle({ seed: 4 });
    const answers = answersOf(first);
    expect(answersOf(new Oracle({ seed: 4 }))).toEqual(answers);
    expect(answersOf(new Oracle({ seed: 5, tape: first.tape }))).toEqual(answers);
  });

  it('gives the boring answer behind the end of a tape, to everything', () => {
    expect(answersOf(new Oracle({ seed: 4, tape: [] }))).toEqual([0, false, 3, 'x', 0, 0]);
  });

  it('keeps answers of a tape within what there is to choose from', () => {
    const oracle = new Oracle({ seed: 1, tape: [99, 99, 99, 99] });
    expect([oracle.choose(3, 'a'), oracle.chance(0, 'b'), oracle.between(1, 4, 'c')]).toEqual([2, true, 4]);
    expect(oracle.tape).toEqual([2, 1, 3]);
  });

  it('asks nobody where there is nothing to choose', () => {
    const choices: Choice[] = [];
    const oracle = new Oracle({ seed: 1, onChoice: (choice) => choices.push(choice) });
    expect([oracle.choose(1, 'a'), oracle.choose(0, 'b'), oracle.of(['only'], 'c')]).toEqual([0, 0, 'only']);
    oracle.decide(4, 'd', 2);
    expect(choices).toEqual([{ label: 'd', of: 4, answer: 2 }]);
  });

  it('says yes about as often as it is asked to', () => {
    const oracle = new Oracle({ seed: 8 });
    const yes = Array.from({ length: 4000 }, () => oracle.chance(0.2, 'a')).filter(Boolean).length;
    expect(yes).toBeGreaterThan(600);
    expect(yes).toBeLessThan(1000);
  });
});

describe('tapes as text', () => {
  it.each([[[]], [[0]], [[0, 0, 0, 7, 7, 1]], [[12, 0, 12, 12]]])('%j comes back as it was', (tape) => {
    expect(parseTape(printTape(tape))).toEqual(tape);
  });

  it('counts what repeats', () => {
    expect(printTape([0, 0, 0, 5, 1, 1])).toBe('0^3 5 1^2');
  });
});

describe.each(POLICIES)('the order of events %s', (name) => {
  const parties = ['a', 'b', 'c', 'd'].map((party) => ({ name: party }));

  function picks(steps: number, overtakes = true): number[] {
    const { dice } = new Oracle({ seed: 3 });
    const policy = createPolicy(name, dice);
    return Array.from({ length: steps }, (_, step) => {
      const candidates: Candidate[] = parties
        .slice(0, 2 + (step % 3))
        .map((party) => ({ party, overtakes: false }));
      if (overtakes) candidates.push({ party: { name: 'timer' }, overtakes: true });
      const pick = policy.pick(candidates, step);
      expect(candidates[pick], `step ${step}`).toBeDefined();
      return pick;
    });
  }

  it('picks one of those that there are, and the same ones for the same dice', () => {
    expect(picks(2000)).toEqual(picks(2000));
  });

  it('lets everybody have a turn some time', () => {
    if (name === 'fifo') return expect(new Set(picks(2000))).toEqual(new Set([0]));
    expect(new Set(picks(2000, false)).size).toBeGreaterThan(1);
  });
});

describe('the place of a fault', () => {
  function sitesOf(seed: number, endsAtMs = Infinity): { sites: FaultSites; clock: { now: number } } {
    const clock = { now: 0 };
    return {
      clock,
      sites: new FaultSites({ oracle: new Oracle({ seed }), now: () => clock.now, endsAtMs }),
    };
  }

  it('is off for a whole run, or on', () => {
    const on = Array.from({ length: 400 }, (_, seed) => {
      const { sites } = sitesOf(seed);
      for (let i = 0; i < 400; i += 1) sites.strikes('store.503');
      return sites.counts.get('store.503') ?? 0;
    });
    const struck = on.filter((count) => count > 0);
    expect(struck.length).toBeGreaterThan(30);
    expect(struck.length).toBeLessThan(100);
    // At the lowest of its rates it strikes twice in a hundred.
    expect(Math.max(...struck)).toBeGreaterThan(80);
  });

  it('strikes no more from the time at which faults end, nor once they are told to', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const { sites, clock } = sitesOf(seed, 100);
      const strike = (): boolean => FAULTS.map((name) => sites.strikes(name)).some(Boolean);
      for (let i = 0; i < 20; i += 1) strike();
      clock.now = 100;
      expect(sites.over).toBe(true);
      expect(Array.from({ length: 50 }, strike)).not.toContain(true);
      clock.now = 0;
      sites.end();
      expect(Array.from({ length: 50 }, strike)).not.toContain(true);
    }
  });

  it('never strikes on a tape of zeros', () => {
    const sites = new FaultSites({ oracle: new Oracle({ seed: 1, tape: [] }), now: () => 0 });
    expect(FAULTS.some((name) => sites.strikes(name))).toBe(false);
  });
});
