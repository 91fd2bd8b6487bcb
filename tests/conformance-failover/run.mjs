#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The failover conformance suite against any gateway.
//
// usage: node tests/conformance-failover/run.mjs --gateway http://127.0.0.1:3247/v1 --model NAME [options]
//   --model NAME            what to ask the gateway for: a name that means provider A first, then B
//   --provider-model NAME   the model as A and B know it (default: mock)
//   --port-a N, --port-b N  where the gateway expects A (default 18081) and B (18082)
//   --key KEY               for the gateway
//   --patience MS           how long an answer may take (default 15000)
//   --mock COMMAND          what speaks 'mock' (default: fairlead)
//   --json                  one line of JSON a case
//
// The gateway must know A as http://127.0.0.1:PORT-A/v1 and B likewise (OpenAI dialect), and must not shut A out
// for long after single failures: such cases are told as NOT ASKED.
import { parseArgs } from 'node:util';

import { runSuite } from './suite.mjs';

const { values } = parseArgs({
    options: {
        gateway: { type: 'string' }, model: { type: 'string' }, 'provider-model': { type: 'string', default: 'mock' },
        'port-a': { type: 'string', default: '18081' }, 'port-b': { type: 'string', default: '18082' },
        key: { type: 'string', default: 'none' }, patience: { type: 'string', default: '15000' },
        mock: { type: 'string', default: 'fairlead' }, json: { type: 'boolean', default: false },
    },
});
if (!values.gateway || !values.model) {
    console.error('usage: run.mjs --gateway URL --model NAME; see the head of this file');
    process.exit(2);
}
const results = await runSuite({
    base: values.gateway, model: values.model, providerModel: values['provider-model'],
    portA: Number(values['port-a']), portB: Number(values['port-b']), key: values.key,
    patience: Number(values.patience), mock: values.mock.split(' '),
}, (r) => {
    console.log(values.json ? JSON.stringify(r)
        : `${r.verdict.padEnd(10)} ${r.wanted.padEnd(10)} ${r.case.padEnd(32)} ${String(r.ms).padStart(6)} ms${r.why ? `  ${r.why.replaceAll('\n', ' ')}` : ''}`);
});
const count = (verdict) => results.filter((r) => r.verdict === verdict).length;
console.log(`${count('PASS')} of ${results.length} passed, ${count('FAIL')} failed, ${count('NOT ASKED')} not asked`);
process.exit(count('FAIL') > 0 ? 1 : 0);
