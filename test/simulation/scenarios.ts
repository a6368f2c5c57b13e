/** Every scenario there is. */
import { LOADS } from './loads.scenario.js';
import type { Scenario } from './scenario.kit.js';

export const SCENARIOS: readonly Scenario[] = [LOADS];
