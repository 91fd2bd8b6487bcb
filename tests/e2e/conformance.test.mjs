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
import { relay } from './lib/relay.mjs';

const DATA = path.resolve(ROOT, process.env.FAIRLEAD_CONFORMANCE || '../shared/conformance');
const HARNESS = path.join(DATA, 'harness');
const MODULES = path.join(ROOT, 'tests/e2e/node_modules');
const skip = fs.existsSync(path.join(HARNESS, 'check.mjs')) ? false : 'skipped: no data';
const LIMIT = { timeout: 400000, skip };

// Endpoints that this version offers; the list of models is fairlead's own, not the provider's.
const ROWS = '^[a-z0-9-]+\\.(chat|completions|embeddings|responses)\\.[nse]\\.';

function readIndex() {
    const [head, ...lines] = fs.readFileSync(path.join(DATA, 'index.tsv'), 'utf8').trim().split('\n').map((line) => line.split('\t'));
    return new Map(lines.map((line) => [line[0], Object.fromEntries(head.map((name, i) => [name, line[i]]))]));
}

// Where a client is meant to see something else than directly, and why.
function meant(row, what, why) {
    const recorded = () => fs.readFileSync(path.join(DATA, row.source, `${row.id}.resp`), 'utf8');
    if (row.path.startsWith('/models/') && / -> 405 /.test(why)) {
        return 'the harness asks /v1/models/chat/completions, which is no path of this API';
    }
    if (row.endpoint === 'completions' && row.req_bytes === '0' && /usage/.test(why)) {
        return 'usage that the client did not ask for';
    }
    if (what === '' && /"choices": ?\[\],/.test(recorded())) {
        return 'usage that the SDK did not ask for';
    }
    const type = JSON.parse(fs.readFileSync(path.join(DATA, row.source, `${row.id}.json`), 'utf8')).response_headers
        .find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
    if (row.stream === '1' && /^application\/json/.test(type)) {
        return 'a stream that its recording calls application/json';
    }
    if (/aborted/.test(why) && !/"finish_reason": ?"/.test(recorded()) && (/nodone/.test(what) || !/\[DONE\]/.test(recorded()))) {
        return 'a recording that breaks off: no terminal event, no finish reason';
    }
    return null;
}

async function node(file, args) {
    const child = spawn(process.execPath, [path.join(HARNESS, file), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => { text += part; });
    const [code] = await once(child, 'close');
    return { code, text };
}

// fairlead in front of one provider, the harness's, that takes any model.
const startBefore = (port) => start({
    routing: { failover_threshold: 1000 },
    providers: { oai: { type: 'openai_compatible', base_url: `http://127.0.0.1:${port}/v1`, api_key: 'sk-upstream' } },
});

describe('recorded exchanges', { skip }, () => {
    let gateway, folder, map, port;
    before(async () => {
        folder = temporaryFolder();
        port = await freePort(); // check.mjs starts the provider on it
        map = path.join(folder, 'map.json');
        fs.writeFileSync(map, JSON.stringify({ key: 'sk-test', prefix: { openai: 'oai/' }, native: ['openai'], required: 'events' }));
        gateway = await startBefore(port);
    });
    after(async () => {
        await gateway?.stop();
        fs.rmSync(folder, { recursive: true });
    });

    async function check(t, ...args) {
        const result = path.join(folder, 'result.json');
        const done = await node('check.mjs', ['--gateway', gateway.origin, '--replay-port', String(port), '--map', map,
            '--only', ROWS, '--json', result, ...args]);
        assert.ok(fs.existsSync(result), done.text);
        const { pass, fail } = JSON.parse(fs.readFileSync(result));
        const index = readIndex();
        const reasons = {};
        const bad = [];
        for (const { id, what, why } of fail) {
            const reason = meant(index.get(id), what, why);
            if (reason) reasons[reason] = (reasons[reason] ?? 0) + 1;
            else bad.push(`${what} ${id}: ${why}`);
        }
        t.diagnostic(`${pass} equal, ${bad.length} not`);
        for (const [reason, count] of Object.entries(reasons)) t.diagnostic(`${count} differ as meant: ${reason}`);
        assert.ok(pass > 0);
        assert.equal(bad.length, 0, `${bad.length} of ${pass + fail.length} differ:\n${bad.slice(0, 20).join('\n')}`);
    }

    test('whole, in pieces of every kind, compressed', LIMIT, (t) => check(t, '--modes', 'all'));

    test('cut in the middle: never complete', LIMIT, (t) => check(t, '--no-native', '--faults'));
});

describe('recorded exchanges, read by the SDK', { skip }, () => {
    test('what the SDK hands to the program is the same', LIMIT, async (t) => {
        const folder = temporaryFolder();
        const map = path.join(folder, 'map.json');
        fs.writeFileSync(map, JSON.stringify({ key: 'sk-test', prefix: { openai: 'oai/', anthropic: '' } }));
        const { start: replay } = await import(path.join(HARNESS, 'replay.mjs'));
        const upstream = await replay({});
        const gateway = await startBefore(upstream.port);
        const between = await relay(gateway.port);
        const done = await node('sdk.mjs', ['--node-modules', MODULES, '--gateway', between.url, '--map', map, '--show', '1000']);
        between.close();
        await gateway.stop();
        upstream.close();
        fs.rmSync(folder, { recursive: true });
        // A table row a kind: | openai/chat stream | same | diff | threw |
        const rows = [...done.text.matchAll(/'?(openai\/[a-z ]+?)'? *│ *(\d+) *│ *(\d+)/g)];
        assert.ok(rows.length > 0, done.text);
        const index = readIndex();
        const bad = done.text.split('\n').filter((line) => {
            const id = /^DIFF (\S+)/.exec(line)?.[1];
            const row = id && index.get(id);
            return row && row.dialect === 'openai' && !meant(row, '', /no-usage|usage/.test(line) ? 'usage aborted' : 'aborted');
        });
        t.diagnostic(`${rows.reduce((sum, row) => sum + Number(row[2]), 0)} answers equal, ${bad.length} not`);
        assert.equal(bad.length, 0, bad.join('\n'));
    });
});
