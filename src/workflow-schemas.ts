import * as cutoverPlan from './cutover-plan.js';
import * as groupOptions from './group-options.js';
import * as options from './options.js';
import * as tuning from './tuning.js';

/**
 * The schemas of what workflows are sent, made once for all workflows of a worker. Made by each for itself they would
 * be nine tenths of its 1.1 MB, and of the 14 ms that its start takes. What Temporal loads before the first workflow
 * it freezes through and through, and zod's schemas then refuse to be used, because they add to themselves what they
 * are first asked for. It goes no deeper than an object that is frozen already, which a module without room for
 * further exports is.
 */
for (const module of [cutoverPlan, groupOptions, options, tuning]) Object.preventExtensions(module);
