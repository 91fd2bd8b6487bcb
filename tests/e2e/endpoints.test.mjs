// SPDX-License-Identifier: Apache-2.0
// Endpoints that are routed and passed through as they are: images, audio, moderations, files. Requests and answers
// of any type, byte for byte, but for the model's name.
import assert from 'node:assert/strict';
import { File } from 'node:buffer';
import { after, before, describe, test } from 'node:test';
import OpenAI, { toFile } from 'openai';

import { start } from './lib/fairlead.mjs';
import { twoProviders } from './lib/fixture.mjs';
import { upstream } from './lib/upstream.mjs';

globalThis.File ??= File; // node 18 keeps it in a module; the SDK looks for a global

const LIMIT = { timeout: 20000 };
const SOUND = Buffer.from(Array.from({ length: 300000 }, (_, i) => (i * 7919) & 255));

describe('endpoints that are passed through', () => {
    let f, openai;
    before(async () => {
        f = await twoProviders();
        openai = f.openai();
    });
    after(() => f?.close());

    test('an image: the model is renamed, the usage counted', LIMIT, async () => {
        const answer = { created: 1, data: [{ b64_json: 'aGk=' }], usage: { input_tokens: 9, output_tokens: 100, total_tokens: 109, input_tokens_details: { text_tokens: 9, image_tokens: 0 } } };
        f.a.answers((seen) => seen.send(200, answer));
        const { data, response } = await openai.images.generate({ model: 'only', prompt: 'a fair lead', size: '1024x1024', n: 1 }).withResponse();
        assert.deepEqual(data.data, answer.data);
        assert.equal(f.a.last.url, '/v1/images/generations');
        assert.deepEqual(f.a.last.json, { model: 'model-a', prompt: 'a fair lead', size: '1024x1024', n: 1 });
        assert.equal(response.headers.get('x-fairlead-model'), 'model-a');
        assert.equal(response.headers.get('x-fairlead-attempts'), '1');
    });

    test('a transcription: a form with a file of any bytes', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, { text: 'hello' }));
        const r = await openai.audio.transcriptions.create({ model: 'only', file: await toFile(SOUND, 'a.wav'), language: 'en' });
        assert.equal(r.text, 'hello');
        assert.equal(f.a.last.url, '/v1/audio/transcriptions');
        const type = f.a.last.headers['content-type'];
        const form = await new Response(f.a.last.body, { headers: { 'content-type': type } }).formData();
        assert.equal(form.get('model'), 'model-a');
        assert.equal(form.get('language'), 'en');
        assert.deepEqual(Buffer.from(await form.get('file').arrayBuffer()), SOUND);
    });

    test('speech: the sound comes as it is made', LIMIT, async () => {
        let more;
        const asked = new Promise((done) => { more = done; });
        f.a.answers(async (seen) => {
            seen.response.writeHead(200, { 'content-type': 'audio/mpeg' });
            seen.response.write(SOUND.subarray(0, 1000));
            await asked; // a lump would never end
            seen.response.end(SOUND.subarray(1000));
        });
        const r = await openai.audio.speech.create({ model: 'only', voice: 'alloy', input: 'hi' });
        assert.equal(r.headers.get('content-type'), 'audio/mpeg');
        const parts = [];
        for await (const part of r.body) {
            parts.push(Buffer.from(part));
            more();
        }
        assert.deepEqual(Buffer.concat(parts), SOUND);
    });

    test('fails over like any other', LIMIT, async () => {
        f.a.answers((seen) => seen.error(503, 'busy'));
        f.b.answers((seen) => seen.send(200, { created: 1, data: [{ url: 'x' }] }));
        const { data, response } = await openai.images.generate({ model: 'pair', prompt: 'x' }).withResponse();
        assert.equal(data.data[0].url, 'x');
        assert.equal(f.b.last.json.model, 'model-b');
        assert.match(response.headers.get('x-fairlead-failover'), /^a>b;/);
    });

    test('files name no model: a header says whose they are', LIMIT, async () => {
        f.b.answers((seen) => seen.send(200, { id: 'file-1', object: 'file', deleted: true }));
        const lost = await openai.files.list().catch((e) => e);
        assert.equal(lost.status, 400);
        assert.match(lost.message, /x-fairlead-model/);
        const headers = { 'x-fairlead-model': 'b/model-b' };
        await openai.files.create({ file: await toFile(Buffer.from('{}\n'), 'a.jsonl'), purpose: 'batch' }, { headers });
        assert.equal(`${f.b.last.method} ${f.b.last.url}`, 'POST /v1/files');
        await openai.files.list({ limit: 3 }, { headers });
        assert.equal(`${f.b.last.method} ${f.b.last.url}`, 'GET /v1/files?limit=3');
        await openai.files.delete('file-1', { headers });
        assert.equal(`${f.b.last.method} ${f.b.last.url}`, 'DELETE /v1/files/file-1');
        assert.equal(f.b.last.headers['x-fairlead-model'], undefined);
    });

    test('a form whose field "model" is anywhere, and one that lies about its boundary', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, { text: 'ok' }));
        const send = (body, boundary) => fetch(`${f.origin}/v1/audio/transcriptions`, { method: 'POST', headers: { authorization: 'Bearer client-key', 'content-type': `multipart/form-data; boundary=${boundary}` }, body });
        const part = (name, value) => `--X y\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
        const good = await send(`${part('file', 'name="model"')}${part('model', 'only')}--X y--\r\n`, '"X y"');
        assert.equal(good.status, 200);
        assert.equal(f.a.last.text, `${part('file', 'name="model"')}${part('model', 'model-a')}--X y--\r\n`);
        for (const [body, boundary] of [[part('model', 'only'), '"X y"'], ['', 'none'], [part('model', 'only'), 'z'.repeat(100)]]) {
            assert.equal((await send(body, boundary)).status, 400);
        }
    });

    test('a boundary that stands inside a line is text (RFC 2046: a delimiter is a line\'s beginning)', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, { text: 'ok' }));
        const send = (body) => fetch(`${f.origin}/v1/audio/transcriptions`, { method: 'POST', headers: { authorization: 'Bearer client-key', 'content-type': 'multipart/form-data; boundary=XY' }, body });
        const part = (name, value) => `--XY\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
        const inside = `a file that says ${part('model', 'nobody')}`;
        for (const [prompt, model] of [[inside, 'only'], [`${inside}\n--XY\n`, 'only'], ['a--XY', 'only']]) {
            const r = await send(`${part('prompt', prompt)}${part('model', model)}--XY--\r\n`);
            assert.equal(r.status, 200, await r.text());
            assert.equal(f.a.last.text, `${part('prompt', prompt)}${part('model', 'model-a')}--XY--\r\n`);
        }
        const preamble = `not a part --XY\r\n${part('model', 'only')}--XY--\r\n`;
        assert.equal((await send(preamble)).status, 200);
        assert.equal(f.a.last.text, preamble.replace('only', 'model-a'));
        assert.equal((await send(`${part('file', 'x')}${part('model', 'only--XY')}--XY--\r\n`)).status, 404); // its name is all of that
        assert.equal((await send(`${part('model', 'only')}-XY--\r\n`)).status, 400); // it never ends
    });
});

describe('with a single provider', () => {
    test('requests without a model are its own', LIMIT, async () => {
        const a = await upstream();
        const gateway = await start({ providers: { a: { type: 'openai_compatible', base_url: a.url, api_key: 'k', models: ['m'] } } });
        a.answers((seen) => seen.send(200, { id: 'modr-1', model: 'omni', results: [{ flagged: false }] }));
        const r = await new OpenAI({ apiKey: 'k', baseURL: gateway.baseURL, maxRetries: 0 }).moderations.create({ input: 'fine' });
        assert.equal(r.results[0].flagged, false);
        assert.deepEqual(a.last.json, { input: 'fine' });
        await gateway.stop();
        await a.close();
    });
});
