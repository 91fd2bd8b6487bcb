// SPDX-License-Identifier: Apache-2.0
// Holds a gateway against two mock providers: A, which it asks first and which fails in one way a case, and
// B, which is well. The gateway is not told anything; each case starts A anew with its fault.
//
//   other    another provider answers: the client gets a whole answer and notices nothing
//   told     the answer had begun: the client is told that it broke, and never sees a clean end
//            (a whole answer is fine too: a gateway may go on elsewhere)
//   passed   the client's own fault: the provider's refusal reaches it, and nobody else is asked
//   safe     whatever happens, no part is given for the whole, and it ends in time
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';

const TRIES = 20;

const both = (wanted, fault, options = {}) => ['plain', 'stream'].map((mode) => ({ wanted, fault, mode, ...options }));
const stream = (wanted, fault, at) => [{ wanted, fault, at, mode: 'stream' }];
const plain = (wanted, fault, at) => [{ wanted, fault, at, mode: 'plain' }];

export const CASES = [
    ...both('other', 'none'),
    ...both('other', 'refuse'), ...both('other', 'reset'), ...both('other', 'close'), ...both('other', 'garbage'),
    ...both('other', '429'), ...both('other', '500'), ...both('other', '502'), ...both('other', '503'),
    ...both('other', '529'), ...both('other', '408'),
    ...both('other', 'error-200'), ...both('other', 'empty-200'), ...both('other', 'html-502'),
    ...both('other', 'truncated-json'), ...both('other', 'wrong-length'), ...both('other', 'two-lengths'),
    ...both('other', 'bad-chunk'), ...both('other', 'endless-head'), ...both('other', 'flood-1xx'),
    ...both('other', 'redirect'), ...both('other', 'stall'),
    ...plain('other', 'half-close'), ...plain('other', 'cut', '700'), ...plain('other', 'reset', '700'),
    ...plain('other', 'stall', '700'),
    ...stream('other', 'cut', 'event:0'), ...stream('other', 'reset', 'event:0'), ...stream('other', 'stall', 'event:0'),
    ...stream('other', 'error-200', 'event:0'), ...stream('other', 'half-close', 'event:0'),
    ...stream('told', 'cut', 'event:5'), ...stream('told', 'reset', 'event:5'), ...stream('told', 'stall', 'event:5'),
    ...stream('told', 'error-200', 'event:5'), ...stream('told', 'half-close', 'event:5'),
    ...stream('told', 'sse-no-done', 'event:5'),
    ...stream('other', 'sse-late'), ...both('other', 'bad-usage'), ...both('other', 'close-idle'),
    ...both('passed', '400'), ...both('passed', '422'),
    ...both('safe', 'gzip-bomb'), ...both('safe', 'endless-body'), ...stream('safe', 'endless-event'),
    ...plain('safe', 'length-small'),
    { wanted: 'cancelled', fault: 'none', mode: 'stream' },
    ...plain('other', '401'), // last: a gateway may well not ask with that key again for a while
];

export const titleOf = (c) => `${c.wanted === 'cancelled' ? 'the client leaves' : c.fault}${c.at ? ` at ${c.at}` : ''}, ${c.mode}`;

class Mock {
    constructor(command, port, options) {
        const [program, ...first] = command;
        this.asked = 0;
        this.totals = null;
        this.child = spawn(program, [...first, 'mock', '--port', String(port), ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
        this.exit = once(this.child, 'exit');
        let rest = '';
        this.listening = new Promise((done, fail) => {
            this.exit.then(([code]) => fail(new Error(`the mock on port ${port} ended with ${code}`)));
            this.child.stdout.setEncoding('utf8').on('data', (text) => {
                const lines = (rest + text).split('\n');
                rest = lines.pop();
                for (const line of lines.map((text) => JSON.parse(text))) {
                    if (line.listening) done();
                    else if (line.path) this.asked += line.path.endsWith('/chat/completions');
                    else this.totals = line;
                }
            });
        });
    }

    async stop() {
        this.child.kill('SIGTERM');
        await this.exit;
        return this.totals;
    }
}

// Sends one request, reads all there is; never throws.
function ask(base, model, key, mode, { leaveAfter = Infinity, patience }) {
    return new Promise((done) => {
        const body = JSON.stringify({ model, stream: mode === 'stream', messages: [{ role: 'user', content: 'Summarize the tides' }] });
        const seen = { status: 0, text: '', whole: false, error: null, began: performance.now() };
        const finish = (error) => {
            clearTimeout(timer);
            if (seen.took === undefined) {
                seen.error ??= error ?? null;
                seen.took = performance.now() - seen.began;
                done(seen);
            }
        };
        const request = http.request(new URL(base.replace(/\/$/, '') + '/chat/completions'), {
            method: 'POST', agent: false,
            headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), authorization: `Bearer ${key}` },
        }, (response) => {
            seen.status = response.statusCode;
            response.setEncoding('utf8').on('data', (text) => {
                if (seen.text.length < 1 << 22) seen.text += text;
                if (seen.text.length >= leaveAfter) request.destroy();
            });
            response.on('end', () => { seen.whole = response.complete; finish(); });
            response.on('error', finish);
            response.on('close', () => finish('closed'));
        });
        const timer = setTimeout(() => { seen.error = 'too late'; request.destroy(); finish(); }, patience);
        request.on('error', (error) => finish(error.code ?? error.message));
        request.end(body);
    });
}

// What the client's SDK would make of it: an answer's text, or nothing.
function understand(seen, mode) {
    if (seen.status !== 200 || !seen.whole) return { whole: false };
    try {
        if (mode === 'plain') {
            const { choices: [{ message, finish_reason: finish }] } = JSON.parse(seen.text);
            return { whole: Boolean(message.content && finish), text: message.content };
        }
        const events = seen.text.split(/\r?\n\r?\n/).filter((event) => event.startsWith('data:')).map((event) => event.slice(5).trim());
        const chunks = events.filter((event) => event !== '[DONE]').map((event) => JSON.parse(event));
        const text = chunks.map((chunk) => chunk.choices?.[0]?.delta?.content ?? '').join('');
        const ended = events.at(-1) === '[DONE]' && !chunks.some((chunk) => chunk.error);
        return { whole: ended && chunks.some((chunk) => chunk.choices?.[0]?.finish_reason), ended, text };
    } catch {
        return { whole: false };
    }
}

function judge(c, seen, a, b, texts) {
    const got = understand(seen, c.mode);
    const complete = got.whole && (c.wanted === 'told' || texts.has(got.text));
    const late = seen.error === 'too late';
    switch (c.wanted) {
    case 'other':
        if (!complete) return `status ${seen.status}, ${late ? 'too late' : seen.whole ? 'whole, but not an answer' : 'cut'}: ${seen.text.slice(0, 120)}`;
        return null;
    case 'told':
        if (late) return 'hangs';
        return got.ended && !complete ? 'a clean end of a broken stream' : null;
    case 'passed':
        if (seen.status !== Number(c.fault)) return `status ${seen.status} instead of the provider's ${c.fault}`;
        return b.asked > 0 ? 'the other provider was asked too' : null;
    default:
        if (late) return 'hangs';
        return got.whole && !complete ? 'a part was given for the whole' : null;
    }
}

// Each provider's right answer, asked of it directly.
async function rightTexts(options) {
    const texts = new Set();
    for (const [port, seed] of [[options.portA, 1], [options.portB, 2]]) {
        const mock = new Mock(options.mock, port, ['--seed', String(seed), '--model', options.providerModel]);
        await mock.listening;
        const seen = await ask(`http://127.0.0.1:${port}/v1`, options.providerModel, 'x', 'plain', { patience: 5000 });
        texts.add(understand(seen, 'plain').text);
        await mock.stop();
    }
    return texts;
}

async function leaves(options) {
    const a = new Mock(options.mock, options.portA, ['--seed', '1', '--model', options.providerModel, '--token-ms', '100', '--tokens', '200']);
    await a.listening;
    await ask(options.base, options.model, options.key, 'stream', { leaveAfter: 600, patience: options.patience });
    await new Promise((done) => setTimeout(done, 500));
    const totals = await a.stop();
    return totals.cancelled > 0 ? null : 'the provider went on for nobody';
}

async function runCase(c, options, texts) {
    if (c.wanted === 'cancelled') return { why: await leaves(options), exercised: true, took: 0 };
    const b = new Mock(options.mock, options.portB, ['--seed', '2', '--model', options.providerModel]);
    const more = c.at ? ['--at', c.at] : [];
    const a = c.fault === 'refuse' ? null
        : new Mock(options.mock, options.portA, ['--seed', '1', '--model', options.providerModel, '--fault', c.fault, ...more]);
    try {
        await Promise.all([b.listening, a?.listening]);
        let seen = await ask(options.base, options.model, options.key, c.mode, { patience: options.patience });
        for (let i = 0; i < TRIES && a && a.asked === 0; i++) { // A still cools down from the case before
            await new Promise((done) => setTimeout(done, 250));
            b.asked = 0;
            seen = await ask(options.base, options.model, options.key, c.mode, { patience: options.patience });
        }
        return { why: judge(c, seen, a, b, texts), exercised: !a || a.asked > 0, took: seen.took };
    } finally {
        await Promise.all([a?.stop(), b.stop()]);
    }
}

// options: base (the gateway's /v1), model (A first, then B), providerModel (as A and B know it), portA, portB,
// mock (command, as an array), key, patience (ms)
export async function runSuite(options, report = () => {}) {
    const texts = await rightTexts(options);
    const results = [];
    for (const c of CASES) {
        const { why, exercised, took } = await runCase(c, options, texts);
        const result = { case: titleOf(c), wanted: c.wanted, verdict: why ? 'FAIL' : exercised ? 'PASS' : 'NOT ASKED', why, ms: Math.round(took) };
        results.push(result);
        report(result);
    }
    return results;
}
