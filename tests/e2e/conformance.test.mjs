// SPDX-License-Identifier: Apache-2.0
// Recorded exchanges with real providers, replayed by their harness: what a client gets through fairlead
// must equal what it gets directly. The data is not part of the project: FAIRLEAD_CONFORMANCE names the
// folder, by default ../shared/conformance; without it these tests are skipped.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { ROOT, freePort, start, temporaryFolder } from './lib/fairlead.mjs';

const DATA = path.resolve(ROOT, process.env.FAIRLEAD_CONFORMANCE || '../shared/conformance');
const HARNESS = path.join(DATA, 'harness');
const MODULES = path.join(ROOT, 'tests/e2e/node_modules');
const skip = fs.existsSync(path.join(HARNESS, 'check.mjs')) ? false : 'skipped: no data';
const LIMIT = { timeout: 280000, skip };

// Endpoints that this version offers; models are fairlead's own, not the provider's.
const ROWS = '^[a-z-]+\\.(chat|completions|embeddings|responses)\\.[nse]\\.';

async function node(file, args) {
    const child = spawn(process.execPath, [path.join(HARNESS, file), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => { text += part; });
    const [code] = await once(child, 'close');
    return { code, text };
}

describe('recorded exchanges', { skip }, () => {
    let gateway, folder, map, port;
    // The replaying provider is started by the harness, on the port that the configuration names.
    before(async () => {
        folder = temporaryFolder();
        port = await freePort();
        map = path.join(folder, 'map.json');
        fs.writeFileSync(map, JSON.stringify({ key: 'sk-test', prefix: { openai: 'oai/' }, native: ['openai'], required: 'events' }));
        gateway = await start({
            routing: { failover_threshold: 1000 },
            providers: { oai: { type: 'openai_compatible', base_url: `http://127.0.0.1:${port}/v1`, api_key: 'sk-upstream' } },
        });
    });
    after(async () => {
        await gateway.stop();
        fs.rmSync(folder, { recursive: true });
    });
    const check = async (...args) => {
        const done = await node('check.mjs', ['--gateway', gateway.origin, '--replay-port', String(port), '--map', map, '--only', ROWS, ...args]);
        const [, passed, failed] = /^(\d+) passed, (\d+) failed/m.exec(done.text) ?? [];
        assert.ok(Number(passed) > 0, done.text);
        assert.equal(failed, '0', done.text);
        return passed;
    };

    test('whole, in pieces of every kind, compressed', LIMIT, async (t) => {
        t.diagnostic(`${await check('--modes', 'all')} comparisons equal`);
    });

    test('cut in the middle: never complete', LIMIT, async (t) => {
        t.diagnostic(`${await check('--no-native', '--faults')} cut streams seen as such`);
    });
});

describe('recorded exchanges, read by the SDK', { skip }, () => {
    // sdk.mjs chooses the port of its replaying provider itself; a relay on a known port follows it.
    test('what the SDK hands to the program is the same', LIMIT, async (t) => {
        const port = await freePort();
        const folder = temporaryFolder();
        const map = path.join(folder, 'map.json');
        fs.writeFileSync(map, JSON.stringify({ key: 'sk-test', prefix: { openai: 'oai/', anthropic: '' } }));
        const { start: replay } = await import(path.join(HARNESS, 'replay.mjs'));
        const upstream = await replay({ port });
        const gateway = await start({
            routing: { failover_threshold: 1000 },
            providers: { oai: { type: 'openai_compatible', base_url: `http://127.0.0.1:${port}/v1`, api_key: 'sk-upstream' } },
        });
        const done = await node('sdk.mjs', ['--node-modules', MODULES, '--gateway', gateway.origin, '--map', map]);
        await gateway.stop();
        upstream.close();
        fs.rmSync(folder, { recursive: true });
        // One row a kind: | 'openai/chat stream' | same | diff | threw |
        const rows = [...done.text.matchAll(/'(openai\/[^']+)'\s*│\s*(\d+)\s*│\s*(\d+)/g)];
        assert.ok(rows.length > 0, done.text);
        for (const [, kind, , different] of rows) assert.equal(different, '0', `${kind}\n${done.text}`);
        t.diagnostic(`${rows.reduce((sum, row) => sum + Number(row[2]), 0)} answers equal`);
    });
});
