/** Every scenario there is. */
import { LOADS } from './loads.scenario.js';
import { SERVICE } from './service.scenario.js';
import { WRITES } from './writes.scenario.js';
import type { Scenario } from './scenario.kit.js';

export const SCENARIOS: readonly Scenario[] = [LOADS, WRITES, SERVICE];
