/**
 * Numbers for one fuzzed input. Input number `index` of a seed is the same whichever came before it, so that one that
 * fails is found again by `--seed S --from INDEX --inputs 1`.
 */
export class Dice {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  /** @param {number} seed @param {number} index */
  reseed(seed, index) {
    this.#a = seed | 0;
    this.#b = index | 0;
    this.#c = Math.floor(index / 0x1_0000_0000) ^ 0x9e3779b9;
    this.#counter = 1;
    // sfc32 has mixed its words after a dozen rounds.
    for (let round = 0; round < 12; round += 1) this.word();
  }

  /** 32 bits (sfc32, Chris Doty-Humphrey, public domain). */
  word() {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number of `[0, count)`. @param {number} count */
  below(count) {
    return Math.floor((this.word() / 0x1_0000_0000) * count);
  }

  /** A whole number of `[least, most]`. @param {number} least @param {number} most */
  between(least, most) {
    return least + this.below(most - least + 1);
  }

  /** True `percent` times in a hundred. @param {number} percent */
  chance(percent) {
    return this.word() < percent * 42_949_672.96;
  }

  /** @template T @param {readonly T[]} choices @returns {T} */
  pick(choices) {
    return /** @type {T} */ (choices[this.below(choices.length)]);
  }
}
