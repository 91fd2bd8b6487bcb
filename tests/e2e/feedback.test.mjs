// SPDX-License-Identifier: Apache-2.0
// What a client says of an answer: it counts once, it moves what 'quality' and 'classification' choose,
// and what is not understood is told.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { BINARY, cleanEnvironment, temporaryFolder } from './lib/fairlead.mjs';
import { twoProviders } from './lib/fixture.mjs';
import { assertEnvelope, chat, request } from './lib/http.mjs';
import { MESSAGES, completion, words } from './lib/upstream.mjs';

const LIMIT = { timeout: 30000 };
const priced = (input, output) => ({ prices: { input, output } });
const BOTH = ['a/model-a', 'b/model-b'];

async function gateway(rest = {}) {
    return twoProviders({
        providers: { a: priced(1, 3), b: priced(1.1, 3.3) },
        models: {
            best: { strategy: 'quality', targets: BOTH },
            kind: { strategy: 'classification', targets: BOTH },
            safe: { strategy: 'quality', targets: BOTH, never_worse_than: 'a/model-a', daily_budget: 5 },
        },
        ...rest,
    });
}

const feedback = (f, body, { path = '/v1/feedback', headers = {} } = {}) => request(f.origin, { path, body, headers });
const ask = (f, model, headers = {}, more = {}) => chat(f.origin, { model, messages: MESSAGES, ...more }, { headers });
const who = (answer) => answer.headers['x-fairlead-provider'];
const id = (answer) => answer.headers['x-fairlead-decision'];

// How many of *count* answers come from *provider*.
async function share(f, model, provider, count) {
    let n = 0;
    for (let i = 0; i < count; i++) n += who(await ask(f, model)) === provider;
    return n;
}

// Scores *count* answers by provider.
async function teach(f, model, count, score) {
    for (let i = 0; i < count; i++) {
        const answer = await ask(f, model);
        const said = await feedback(f, { decision_id: id(answer), score: score(who(answer)) });
        assert.deepEqual([said.status, said.json.learned], [200, true]);
    }
}

describe('feedback', () => {
    let f;
    before(async () => { f = await gateway(); });
    after(() => f?.close());

    test('counts once', LIMIT, async () => {
        const answer = await ask(f, 'pair');
        const first = await feedback(f, { decision_id: id(answer), score: 0.8, comment: 'good', more: [1] });
        assert.equal(first.status, 200);
        assert.deepEqual(first.json, { object: 'fairlead.feedback', decision_id: id(answer), learned: true });
        const second = await feedback(f, { decision_id: id(answer).toUpperCase(), score: false });
        assert.equal(second.status, 200);
        assert.deepEqual(second.json, { object: 'fairlead.feedback', decision_id: id(answer), learned: false });
    });

    test('with and without /v1, a stream, a boolean', LIMIT, async () => {
        for (const path of ['/feedback', '/v1/feedback', '/openai/v1/feedback']) {
            f.a.handler = (seen) => (seen.json.stream ? seen.stream(words('one two')) : seen.send(200, completion('x')));
            const answer = await ask(f, 'only', {}, { stream: path !== '/feedback' });
            const said = await feedback(f, { decision_id: id(answer), score: true }, { path });
            assert.deepEqual([said.status, said.json.learned], [200, true], path);
        }
    });

    test('of what is not known', LIMIT, async () => {
        assertEnvelope(await feedback(f, { decision_id: '0123456789abcdef', score: 1 }), 404,
            { code: 'decision_unknown', param: 'decision_id', message: /x-fairlead-decision of a recent answer/ });
        assertEnvelope(await feedback(f, { decision_id: '0000000000000000', score: 1 }), 404, { code: 'decision_unknown' });
    });

    test('that is not understood', LIMIT, async () => {
        const known = id(await ask(f, 'only'));
        for (const [body, param] of [
            [{ score: 1 }, 'decision_id'], [{ decision_id: 'x', score: 1 }, 'decision_id'], [{ decision_id: 7, score: 1 }, 'decision_id'],
            [{ decision_id: known }, 'score'], [{ decision_id: known, score: 1.01 }, 'score'], [{ decision_id: known, score: -0.1 }, 'score'],
            [{ decision_id: known, score: '1' }, 'score'], [{ decision_id: known, score: null }, 'score'],
        ]) {
            assertEnvelope(await feedback(f, body), 400, { param });
        }
        assertEnvelope(await feedback(f, '{"decision_id":'), 400, {});
        assertEnvelope(await feedback(f, '[]'), 400, { message: /must be a JSON object/ });
        assertEnvelope(await request(f.origin, { method: 'GET', path: '/v1/feedback' }), 405, {});
        assert.equal((await feedback(f, { decision_id: known, score: 1 })).json.learned, true); /* nothing of it counted */
    });

    test("moves the choice of 'quality'", LIMIT, async () => {
        assert.ok(await share(f, 'best', 'a', 30) >= 25); // as good, and cheaper; one of fifty tries the other
        await teach(f, 'best', 8, (provider) => (provider === 'a' ? 0 : 1));
        assert.ok(await share(f, 'best', 'b', 30) >= 25);
    });

    test('never worse: until it is shown, the default answers', LIMIT, async () => {
        assert.ok(await share(f, 'safe', 'a', 30) >= 25); // which 'quality' alone would not choose any more
    });
});

describe('feedback and kinds of tasks', () => {
    let f;
    before(async () => { f = await gateway(); });
    after(() => f?.close());

    test("moves the choice of 'classification'", LIMIT, async () => {
        const turns = await share(f, 'kind', 'a', 30);
        assert.ok(turns >= 12 && turns <= 18, String(turns));
        await teach(f, 'kind', 60, (provider) => (provider === 'b' ? 1 : 0));
        assert.ok(await share(f, 'kind', 'b', 30) >= 25);
        assert.match((await ask(f, 'kind')).headers['x-fairlead-reason'], /why=(learned|explore)/);
    });
});

describe('feedback and keys', () => {
    let f;
    const bearer = (key) => ({ authorization: `Bearer ${key}` });
    const [one, two] = ['a-client-key-number-one', 'a-client-key-number-two'];
    before(async () => { f = await gateway({ keys: [{ name: 'one', key: one }, { name: 'two', key: two }] }); });
    after(() => f?.close());

    test('only who asked may say what it was worth', LIMIT, async () => {
        const answer = await ask(f, 'pair', bearer(one));
        const body = { decision_id: id(answer), score: 1 };
        assertEnvelope(await feedback(f, body), 401, {});
        assertEnvelope(await feedback(f, body, { headers: bearer(two) }), 404, { code: 'decision_unknown' });
        assert.equal((await feedback(f, body, { headers: bearer(one) })).json.learned, true);
    });
});

describe('files of fairlead train', () => {
    const folder = temporaryFolder();
    const file = (name) => path.join(folder, name);
    const train = (...args) => execFileSync(BINARY, ['train', ...args], { env: cleanEnvironment(), encoding: 'utf8' });
    const lines = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    after(() => fs.rmSync(folder, { recursive: true }));

    test('a quality model is where quality starts from', LIMIT, async () => {
        const rows = [];
        for (let i = 0; i < 200; i++) {
            rows.push(i % 2
                ? { prompt: `Prove theorem ${i} about prime numbers.`, scores: { 'model-a': 0, 'model-b': 1 } }
                : { prompt: `Write poem ${i} about the sea.`, scores: { 'model-a': 1, 'model-b': 0 } });
        }
        fs.writeFileSync(file('rows.jsonl'), lines(rows));
        train('--quality', file('rows.jsonl'), '--output', file('quality.model'));
        const f = await gateway({ routing: { quality_model: file('quality.model') } });
        try {
            const about = async (content, provider) => {
                let n = 0;
                for (let i = 0; i < 20; i++) n += who(await ask(f, 'best', {}, { messages: [{ role: 'user', content }] })) === provider;
                return n;
            };
            assert.ok(await about('Prove a theorem about prime numbers.', 'b') >= 16);
            assert.ok(await about('Write a poem about the sea.', 'a') >= 16);
        } finally {
            await f.close();
        }
    });

    test('a classifier tells the kinds it was taught', LIMIT, async () => {
        const rows = []; // the other way round than the one that ships
        for (let i = 0; i < 60; i++) {
            rows.push({ prompt: `Summarize the text number ${i}`, label: 'translation' }, { prompt: `Translate the text number ${i}`, label: 'summarization' });
        }
        fs.writeFileSync(file('labels.jsonl'), lines(rows));
        for (const kind of ['keyword', 'tfidf_linear']) {
            train('--labels', file('labels.jsonl'), '--kind', kind, '--output', file('task.model'));
            const f = await gateway({ routing: { classifier: file('task.model') } });
            try {
                for (const [content, task] of [['Summarize this text', 'translation'], ['Translate this text', 'summarization']]) {
                    const answer = await ask(f, 'pair', { 'x-fairlead-explain': 'only' }, { messages: [{ role: 'user', content }] });
                    assert.equal(answer.json.task, task, kind);
                }
            } finally {
                await f.close();
            }
        }
    });

    test("'keyword' ships too", LIMIT, async () => {
        const content = 'Zusammenfassung, bitte: der Text handelt vom Meer.';
        const seen = [];
        for (const classifier of ['keyword', 'tfidf_linear']) {
            const f = await gateway({ routing: { classifier } });
            try {
                const answer = await ask(f, 'pair', { 'x-fairlead-explain': 'only' }, { messages: [{ role: 'user', content }] });
                assert.equal(answer.json.task, 'summarization', classifier);
                seen.push(answer.json.task_probability);
            } finally {
                await f.close();
            }
        }
        assert.notEqual(seen[0], seen[1]);
    });

    test('what is no such file is refused', LIMIT, () => {
        fs.writeFileSync(file('bad.model'), 'no model');
        for (const [key, text] of [['classifier', /is not a classifier/], ['quality_model', /is not a model that/]]) {
            for (const [name, message] of [['bad.model', text], ['none.model', /cannot read the file/]]) {
                fs.writeFileSync(file('bad.yaml'), `routing: {${key}: ${file(name)}}\n`);
                assert.throws(() => execFileSync(BINARY, ['check', file('bad.yaml')], { env: cleanEnvironment(), stdio: 'pipe', encoding: 'utf8' }),
                    (error) => message.test(`${error.stdout}${error.stderr}`));
            }
        }
    });
});
