// SPDX-License-Identifier: Apache-2.0
// The mock provider does what it is told, and the failover conformance suite passes against fairlead.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { runSuite } from '../conformance-failover/suite.mjs';
import { BINARY, cleanEnvironment, freePort, run, start, temporaryFolder } from './lib/fairlead.mjs';

const LIMIT = { timeout: 180000 };

async function mock(options) {
    const child = spawn(BINARY, ['mock', ...options], { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'inherit'] });
    process.once('exit', () => child.kill('SIGKILL'));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more) => { text += more; });
    while (!text.includes('\n')) await once(child.stdout, 'data');
    return {
        url: JSON.parse(text.split('\n')[0]).listening,
        async stop() {
            child.kill('SIGTERM');
            const [code] = await once(child, 'exit');
            assert.equal(code, 0);
            return JSON.parse(text.trim().split('\n').at(-1));
        },
    };
}

const post = (url) => fetch(url + '/chat/completions', {
    method: 'POST', body: JSON.stringify({ model: 'mock', messages: [{ role: 'user', content: 'Hi' }] }),
});

describe('fairlead mock', () => {
    test('answers, and counts', LIMIT, async () => {
        const m = await mock(['--quiet']);
        const answer = await post(m.url);
        assert.equal(answer.status, 200);
        assert.ok((await answer.json()).choices[0].message.content.length > 10);
        assert.deepEqual(await m.stop(), { requests: 1, answered: 1, faults: 0, cancelled: 0 });
    });

    for (const [dialect, type] of [['openai', 'openai_compatible'], ['anthropic', 'anthropic'], ['gemini', 'gemini'], ['ollama', 'ollama_native'], ['bedrock', 'bedrock']]) {
        test(`${dialect}: fairlead is answered by it in its dialect`, LIMIT, async () => {
            const m = await mock(['--dialect', dialect]);
            const gateway = await start({ providers: { p: { type, base_url: m.url, api_key: 'k', models: ['mock'], ...(dialect === 'bedrock' && { region: 'us-east-1' }) } } });
            const answer = await post(gateway.baseURL);
            assert.equal(answer.status, 200);
            const { choices: [choice], usage } = await answer.json();
            assert.ok(choice.message.content.length > 10);
            assert.equal(choice.finish_reason, 'stop');
            assert.ok(usage.completion_tokens > 0);
            await gateway.stop();
            const { answered, faults } = await m.stop();
            assert.ok(answered >= 1);
            assert.equal(faults, 0);
        });
    }

    test('an unknown dialect is a mistake', LIMIT, async () => {
        const { code, stderr } = await run(['mock', '--dialect', 'klingon']);
        assert.equal(code, 2);
        assert.match(stderr, /'klingon' is no dialect: openai, anthropic/);
    });

    test('a status, with a hint when to come again', LIMIT, async () => {
        const m = await mock(['--fault', '429']);
        const answer = await post(m.url);
        assert.equal(answer.status, 429);
        assert.equal(answer.headers.get('retry-after'), '1');
        await m.stop();
    });

    test('a part of the requests, by its seed', LIMIT, async () => {
        const statuses = async () => {
            const m = await mock(['--fault', '500', '--rate', '0.5', '--seed', '7', '--quiet']);
            const seen = [];
            for (let i = 0; i < 20; i++) seen.push((await post(m.url)).status);
            await m.stop();
            return seen;
        };
        const first = await statuses();
        assert.ok(first.includes(200) && first.includes(500));
        assert.deepEqual(await statuses(), first);
    });

    test('cut at a byte', LIMIT, async () => {
        const m = await mock(['--fault', 'cut', '--at', '900', '--tokens', '200']);
        const answer = await post(m.url);
        await assert.rejects(answer.text());
        await m.stop();
    });

    test('a script', LIMIT, async () => {
        const file = path.join(temporaryFolder(), 'script');
        fs.writeFileSync(file, '# at once\n0 503\n0.3 none\n');
        const m = await mock(['--script', file]);
        assert.equal((await post(m.url)).status, 503);
        const deadline = Date.now() + 10000;
        while ((await post(m.url)).status !== 200) assert.ok(Date.now() < deadline);
        await m.stop();
        fs.writeFileSync(file, '0 none\nsoon none\n');
        const bad = await run(['mock', '--script', file]);
        assert.equal(bad.code, 3);
        assert.match(bad.stderr, /script:2: error/);
    });

    test('what means nothing is refused', LIMIT, async () => {
        for (const options of [['--fault', 'yawn'], ['--at', 'noon'], ['--rate', '2'], ['--port', '70000'], ['x']]) {
            assert.equal((await run(['mock', ...options])).code, 2, options.join(' '));
        }
        assert.match((await run(['mock', '--list'])).stdout, /^gzip_bomb$/m);
    });
});

test('the failover conformance suite passes against fairlead', LIMIT, async () => {
    const [portA, portB] = [await freePort(), await freePort()];
    const provider = (port) => ({ type: 'openai_compatible', base_url: `http://127.0.0.1:${port}/v1`, api_key: 'k', models: ['mock'], stream_options: true });
    const gateway = await start({
        providers: { a: provider(portA), b: provider(portB) },
        models: { pair: { targets: ['a/mock'], fallback: ['b/mock'] } },
        routing: { failover_threshold: 1000, timeouts: { connect: '2s', first_token: '1s', idle: '1s', total: '6s' } },
    });
    try {
        const results = await runSuite({ base: gateway.baseURL, model: 'pair', providerModel: 'mock', portA, portB, key: 'k', patience: 10000, mock: [BINARY] });
        const failed = results.filter((r) => r.verdict === 'FAIL').map((r) => `${r.case}: ${r.why}`);
        assert.deepEqual(failed, []);
        assert.ok(results.filter((r) => r.verdict === 'PASS').length >= results.length * 0.8, JSON.stringify(results));
    } finally {
        await gateway.stop();
    }
});
