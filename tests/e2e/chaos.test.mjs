// SPDX-License-Identifier: Apache-2.0
// Providers that are killed, frozen, refuse connections and storm with 529, while the OpenAI SDK streams without
// retries of its own: as long as one target lives, no client sees an error before its answer has begun.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';

import { freePort, run, start } from './lib/fairlead.mjs';
import { MESSAGES, sleep } from './lib/upstream.mjs';

const LIMIT = { timeout: 60000 };
const SCRIPT = fileURLToPath(new URL('./lib/provider_process.mjs', import.meta.url));

class Provider {
    constructor(port, name) {
        Object.assign(this, { port, name });
    }

    async start() {
        this.child = spawn(process.execPath, [SCRIPT, String(this.port), this.name], { stdio: ['ignore', 'pipe', 'inherit'] });
        const { child } = this;
        process.once('exit', () => child.kill('SIGKILL'));
        await once(child.stdout, 'data');
    }

    signal(name) {
        process.kill(this.child.pid, name);
    }

    async kill() {
        if (this.child.exitCode === null && this.child.signalCode === null) {
            const gone = once(this.child, 'exit');
            this.signal('SIGKILL');
            await gone;
        }
    }

    say(status) {
        return new Promise((done, fail) => {
            http.get({ port: this.port, host: '127.0.0.1', path: `/status/${status}`, agent: false }, (answer) => {
                answer.resume().on('end', done);
            }).on('error', fail);
        });
    }
}

describe('chaos', () => {
    let a, b, gateway;
    before(async () => {
        a = new Provider(await freePort(), 'a');
        b = new Provider(await freePort(), 'b');
        await Promise.all([a.start(), b.start()]);
        const provider = ({ port }) => ({ type: 'openai_compatible', base_url: `http://127.0.0.1:${port}/v1`, api_key: 'k', models: ['m'] });
        gateway = await start({
            providers: { a: provider(a), b: provider(b) },
            models: { chat: { targets: ['a/m'], fallback: ['b/m'] } },
            routing: {
                timeouts: { connect: '1s', first_token: '1s', idle: '1s' }, ejection_time: '1s', health_check_interval: '1s',
            },
        });
    });
    after(async () => {
        a.signal('SIGCONT');
        await Promise.all([a.kill(), b.kill()]);
        await gateway.stop();
    });

    // *count* clients ask one after another until *done*: what came of each request.
    async function ask(count, done) {
        const client = new OpenAI({ apiKey: 'k', baseURL: gateway.baseURL, maxRetries: 0 });
        const seen = { whole: 0, broken: 0, early: [], slowest: 0 };
        const one = async () => {
            let text = '';
            const from = Date.now();
            try {
                const stream = await client.chat.completions.create({ model: 'chat', messages: MESSAGES, stream: true });
                for await (const chunk of stream) {
                    if (text === '') seen.slowest = Math.max(seen.slowest, Date.now() - from);
                    text += chunk.choices[0]?.delta?.content ?? '';
                }
                seen.whole += 1;
            } catch (error) {
                if (text === '') seen.early.push(String(error)); else seen.broken += 1;
            }
        };
        const loop = async () => { while (!done()) await one(); };
        await Promise.all(Array.from({ length: count }, loop));
        return seen;
    }

    async function during(scene, ms = 1500) {
        let over = false;
        const asked = ask(8, () => over);
        await sleep(200);
        await scene();
        await sleep(ms);
        over = true;
        const seen = await asked;
        assert.deepEqual(seen.early, []);
        assert.ok(seen.whole > 10, JSON.stringify(seen));
        assert.ok(seen.slowest < 5000, `first token after ${seen.slowest} ms`);
        return seen;
    }

    test('a provider that is killed, and refuses connections from then on', LIMIT, async () => {
        const seen = await during(() => a.kill());
        assert.ok(seen.broken <= 8, `${seen.broken} streams were cut`); // those it was in the middle of
        await a.start();
    });

    test('a provider that is frozen', LIMIT, async () => {
        await during(() => a.signal('SIGSTOP'), 3000);
        a.signal('SIGCONT');
    });

    test('a storm of 529', LIMIT, async () => {
        const seen = await during(() => a.say(529));
        assert.equal(seen.broken, 0);
        await a.say(200);
    });

    test('a provider taken out and put in by hand', LIMIT, async () => {
        const at = ['--at', gateway.origin.replace('http://', '')];
        const seen = await during(async () => {
            const drained = await run(['providers', 'drain', 'a', ...at]);
            assert.equal(drained.code, 0, drained.stderr);
            assert.match(drained.stdout, /a\/m +drained/);
        });
        assert.equal(seen.broken, 0);
        assert.match((await run(['providers', ...at])).stdout, /a\/m +drained[^]*b\/m +(healthy|suspect)/);
        assert.match((await run(['providers', 'enable', 'a', ...at])).stdout, /a\/m +healthy/);
        assert.equal((await run(['providers', 'drain', 'nobody', ...at])).code, 1);
        assert.equal((await run(['providers', 'explode', 'a', ...at])).code, 2);
        assert.equal((await run(['providers', '--at', `127.0.0.1:${await freePort()}`])).code, 4);
    });
});
