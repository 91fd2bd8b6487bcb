// SPDX-License-Identifier: Apache-2.0
// Real clients with nothing changed but their base URL, each before providers of five dialects: text, tools (one,
// several, over turns), images, a JSON schema, reasoning, streams, errors, and a client that goes away.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { generateObject, generateText, jsonSchema, streamText, tool } from 'ai';
import OpenAI from 'openai';

import { start } from './lib/fairlead.mjs';
import { VENDORS, vendor } from './lib/vendors.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

const LIMIT = { timeout: 30000 };
const NAMES = Object.keys(VENDORS);
const SYSTEM = 'Answer in one line.';
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const BYTES = Buffer.from(PIXEL, 'base64').length;
const SCHEMA = { type: 'object', properties: { answer: { type: 'integer' } }, required: ['answer'], additionalProperties: false };
const CITY = { type: 'object', properties: { city: { type: 'string' } } };
const TOOLS = ['weather', 'time'];
const wantedArguments = (name, i) => ({ city: `Köln ${i}`, tool: name, list: [1, 2.5, null] });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

let gateway;
const upstreams = {};

before(async () => {
    for (const name of NAMES) upstreams[name] = await vendor(name);
    gateway = await start({
        providers: Object.fromEntries(NAMES.map((name) => [`p-${name}`, upstreams[name].config()])),
        models: Object.fromEntries(NAMES.map((name) => [name, { targets: [`p-${name}/up-model`] }])),
        routing: { failover_threshold: 1000, health_check_interval: '1h' }, // a vendor sees clients' requests only
    });
});
after(async () => {
    await gateway?.stop();
    for (const up of Object.values(upstreams)) await up.close();
});

// What a vendor refused to believe is the gateway's fault.
function sound(name) {
    const up = upstreams[name];
    const faults = up.faults.splice(0);
    assert.deepEqual(faults, []);
    return up.seen.at(-1);
}

async function gone(name, act) {
    const before = upstreams[name].aborted;
    await act();
    for (let i = 0; i < 100 && upstreams[name].aborted === before; i++) await sleep(20);
    assert.equal(upstreams[name].aborted, before + 1, 'the provider did not notice');
}

// --- each client, as functions of a provider's name ---
// text(model, prompt, {stream, image, effort}) -> {text, thought?, usage: [in, out]}
// calls(model, prompt, {stream}) -> [{name, args}] and what answers them -> {text}

const openai = () => new OpenAI({ apiKey: 'k', baseURL: gateway.baseURL, maxRetries: 0 });
const anthropic = () => new Anthropic({ apiKey: 'k', baseURL: gateway.origin, maxRetries: 0 });

const chat = {
    async text(model, prompt, { stream = false, image = false, effort } = {}) {
        const content = image ? [{ type: 'text', text: prompt }, { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } }] : prompt;
        const body = { model, messages: [{ role: 'system', content: SYSTEM }, { role: 'user', content }], max_completion_tokens: 4000, stop: ['END'], ...(effort && { reasoning_effort: effort }) };
        if (!stream) {
            const r = await openai().chat.completions.create(body);
            assert.equal(r.choices[0].finish_reason, 'stop');
            return { text: r.choices[0].message.content, thought: r.choices[0].message.reasoning_content, usage: [r.usage.prompt_tokens, r.usage.completion_tokens, r.usage.total_tokens] };
        }
        let text = '', thought = '', usage, finish;
        for await (const c of await openai().chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } })) {
            text += c.choices[0]?.delta.content ?? '';
            thought += c.choices[0]?.delta.reasoning_content ?? '';
            finish = c.choices[0]?.finish_reason ?? finish;
            usage = c.usage ?? usage;
        }
        assert.equal(finish, 'stop');
        return { text, thought, usage: [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens] };
    },
    async calls(model, prompt, { stream = false } = {}) {
        const tools = TOOLS.map((name) => ({ type: 'function', function: { name, description: `the ${name}`, parameters: CITY } }));
        const messages = [{ role: 'user', content: prompt }];
        const body = { model, messages, tools };
        const first = stream ? await openai().chat.completions.stream(body).finalChatCompletion() : await openai().chat.completions.create(body);
        assert.equal(first.choices[0].finish_reason, 'tool_calls');
        const { message } = first.choices[0];
        messages.push({ role: 'assistant', content: message.content, tool_calls: message.tool_calls.map(({ id, type, function: f }) => ({ id, type, function: { name: f.name, arguments: f.arguments } })) });
        for (const call of message.tool_calls) messages.push({ role: 'tool', tool_call_id: call.id, content: `${call.function.name} is fine` });
        const second = await openai().chat.completions.create(body);
        return { calls: message.tool_calls.map((c) => ({ name: c.function.name, args: JSON.parse(c.function.arguments) })), text: second.choices[0].message.content };
    },
    async schema(model) {
        const r = await openai().chat.completions.create({ model, messages: [{ role: 'user', content: 'what is it' }], response_format: { type: 'json_schema', json_schema: { name: 'thing', strict: true, schema: SCHEMA } } });
        assert.equal(r.choices[0].finish_reason, 'stop');
        return r.choices[0].message.content;
    },
    async fails(model, status) {
        const error = await openai().chat.completions.create({ model, messages: [{ role: 'user', content: `fail ${status}` }] }).catch((e) => e);
        assert.ok(error instanceof OpenAI.APIError, String(error));
        return error;
    },
    async leaves(model) {
        const stream = await openai().chat.completions.create({ model, stream: true, messages: [{ role: 'user', content: 'slow' }] });
        for await (const _ of stream) break;
        stream.controller.abort();
    },
};

const responses = {
    async text(model, prompt, { stream = false, image = false, effort } = {}) {
        const content = [{ type: 'input_text', text: prompt }, ...(image ? [{ type: 'input_image', detail: 'auto', image_url: `data:image/png;base64,${PIXEL}` }] : [])];
        const body = { model, instructions: SYSTEM, store: false, max_output_tokens: 4000, input: [{ role: 'user', content }], ...(effort && { reasoning: { effort, summary: 'auto' } }) };
        let r;
        if (stream) {
            let sequence = 0, text = '';
            for await (const e of await openai().responses.create({ ...body, stream: true })) {
                assert.equal(e.sequence_number, sequence++);
                if (e.type === 'response.output_text.delta') text += e.delta;
                if (e.type === 'response.completed') r = e.response;
            }
            assert.equal(r.output.filter((o) => o.type === 'message').flatMap((o) => o.content).map((c) => c.text).join(''), text);
        } else r = await openai().responses.create(body);
        assert.equal(r.status, 'completed');
        const thought = r.output.filter((o) => o.type === 'reasoning').flatMap((o) => [...(o.summary ?? []), ...(o.content ?? [])]).map((s) => s.text).join('');
        return { text: r.output.filter((o) => o.type === 'message').flatMap((o) => o.content).map((c) => c.text).join(''), thought, usage: [r.usage.input_tokens, r.usage.output_tokens, r.usage.total_tokens] };
    },
    async calls(model, prompt, { stream = false } = {}) {
        const tools = TOOLS.map((name) => ({ type: 'function', name, description: `the ${name}`, parameters: CITY, strict: false }));
        const input = [{ role: 'user', content: prompt }];
        const body = { model, tools, input, store: false };
        const first = stream ? await openai().responses.stream(body).finalResponse() : await openai().responses.create(body);
        const calls = first.output.filter((o) => o.type === 'function_call');
        for (const item of first.output) if (item.type !== 'reasoning') input.push(item.type === 'function_call' ? { type: 'function_call', call_id: item.call_id, name: item.name, arguments: item.arguments } : item);
        for (const c of calls) input.push({ type: 'function_call_output', call_id: c.call_id, output: `${c.name} is fine` });
        const second = await openai().responses.create(body);
        return { calls: calls.map((c) => ({ name: c.name, args: JSON.parse(c.arguments) })), text: second.output_text };
    },
    async schema(model) {
        const r = await openai().responses.create({ model, store: false, input: 'what is it', text: { format: { type: 'json_schema', name: 'thing', strict: true, schema: SCHEMA } } });
        return r.output_text;
    },
    async fails(model, status) {
        const error = await openai().responses.create({ model, store: false, input: `fail ${status}` }).catch((e) => e);
        assert.ok(error instanceof OpenAI.APIError, String(error));
        return error;
    },
    async leaves(model) {
        const stream = await openai().responses.create({ model, store: false, stream: true, input: 'slow' });
        for await (const e of stream) if (e.type === 'response.output_text.delta') break;
        stream.controller.abort();
    },
};

const messages = {
    async text(model, prompt, { stream = false, image = false, effort } = {}) {
        const content = [{ type: 'text', text: prompt }, ...(image ? [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } }] : [])];
        const body = { model, max_tokens: 4000, system: SYSTEM, stop_sequences: ['END'], messages: [{ role: 'user', content }], ...(effort && { thinking: { type: 'enabled', budget_tokens: 2000 } }) };
        const r = stream ? await anthropic().messages.stream(body).finalMessage() : await anthropic().messages.create(body);
        assert.equal(r.stop_reason, 'end_turn');
        const u = r.usage;
        const input = u.input_tokens + (u.cache_read_input_tokens ?? 0) + (u.cache_creation_input_tokens ?? 0);
        return { text: r.content.filter((b) => b.type === 'text').map((b) => b.text).join(''), thought: r.content.filter((b) => b.type === 'thinking').map((b) => b.thinking).join(''), usage: [input, u.output_tokens, input + u.output_tokens] };
    },
    async calls(model, prompt, { stream = false } = {}) {
        const tools = TOOLS.map((name) => ({ name, description: `the ${name}`, input_schema: CITY }));
        const turns = [{ role: 'user', content: prompt }];
        const body = { model, max_tokens: 1000, tools, messages: turns };
        const first = stream ? await anthropic().messages.stream(body).finalMessage() : await anthropic().messages.create(body);
        assert.equal(first.stop_reason, 'tool_use');
        const calls = first.content.filter((b) => b.type === 'tool_use');
        turns.push({ role: 'assistant', content: first.content });
        turns.push({ role: 'user', content: calls.map((c) => ({ type: 'tool_result', tool_use_id: c.id, content: `${c.name} is fine` })) });
        const second = await anthropic().messages.create(body);
        return { calls: calls.map((c) => ({ name: c.name, args: c.input })), text: second.content.map((b) => b.text ?? '').join('') };
    },
    async fails(model, status) {
        const error = await anthropic().messages.create({ model, max_tokens: 10, messages: [{ role: 'user', content: `fail ${status}` }] }).catch((e) => e);
        assert.ok(error instanceof Anthropic.APIError, String(error));
        assert.equal(error.error?.type, 'error');
        return error;
    },
    async leaves(model) {
        const stream = await anthropic().messages.create({ model, max_tokens: 1000, stream: true, messages: [{ role: 'user', content: 'slow' }] });
        for await (const e of stream) if (e.type === 'content_block_delta') break;
        stream.controller.abort();
    },
};

// Vercel's SDK, over one of its own providers.
// *more*: what is asked for beside the model. Without `store: false` this SDK refers to items of earlier answers by
// their ids alone.
const vercel = (model, more = {}) => ({
    async text(name, prompt, { stream = false, image = false } = {}) {
        const content = [{ type: 'text', text: prompt }, ...(image ? [{ type: 'image', image: Buffer.from(PIXEL, 'base64'), mediaType: 'image/png' }] : [])];
        const ask = { model: model(name), system: SYSTEM, messages: [{ role: 'user', content }], maxOutputTokens: 4000, maxRetries: 0 };
        const r = stream ? streamText({ ...ask, onError() {} }) : await generateText(ask);
        const usage = await r.usage;
        assert.equal(await r.finishReason, 'stop');
        return { text: await r.text, thought: (await r.reasoningText) ?? '', usage: [usage.inputTokens, usage.outputTokens, usage.inputTokens + usage.outputTokens] };
    },
    async calls(name, prompt, { stream = false } = {}) {
        const calls = [];
        const tools = Object.fromEntries(TOOLS.map((t) => [t, tool({ description: `the ${t}`, inputSchema: jsonSchema(CITY), execute: async (args) => { calls.push({ name: t, args }); return `${t} is fine`; } })]));
        const ask = { model: model(name), prompt, tools, maxRetries: 0, ...more, stopWhen: ({ steps }) => steps.length === 2 };
        const r = stream ? streamText({ ...ask, onError() {} }) : await generateText(ask);
        return { calls, text: await r.text };
    },
    async schema(name) {
        const r = await generateObject({ model: model(name), prompt: 'what is it', schema: jsonSchema(SCHEMA), schemaName: 'thing', maxRetries: 0 });
        return JSON.stringify(r.object);
    },
    async fails(name, status) {
        const error = await generateText({ model: model(name), prompt: `fail ${status}`, maxRetries: 0 }).catch((e) => e);
        return Object.assign(error, { status: error.statusCode });
    },
    async leaves(name) {
        const abort = new AbortController();
        const r = streamText({ model: model(name), prompt: 'slow', abortSignal: abort.signal, maxRetries: 0, onError() {} });
        for await (const _ of r.textStream) break;
        abort.abort();
    },
});

const langchain = {
    model: (name, more = {}) => new ChatOpenAI({ model: name, apiKey: 'k', maxRetries: 0, streamUsage: true, configuration: { baseURL: gateway.baseURL }, ...more }),
    async text(name, prompt, { stream = false, image = false } = {}) {
        const content = [{ type: 'text', text: prompt }, ...(image ? [{ type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } }] : [])];
        const ask = [new SystemMessage(SYSTEM), new HumanMessage({ content })];
        let r;
        if (stream) for await (const part of await this.model(name).stream(ask)) r = r ? r.concat(part) : part;
        else r = await this.model(name).invoke(ask);
        const u = r.usage_metadata;
        return { text: r.content, usage: [u.input_tokens, u.output_tokens, u.total_tokens] };
    },
    async calls(name, prompt, { stream = false } = {}) {
        const model = this.model(name).bindTools(TOOLS.map((t) => ({ type: 'function', function: { name: t, description: `the ${t}`, parameters: CITY } })));
        const ask = [new HumanMessage(prompt)];
        let first;
        if (stream) for await (const part of await model.stream(ask)) first = first ? first.concat(part) : part;
        else first = await model.invoke(ask);
        ask.push(new AIMessage({ content: first.content, tool_calls: first.tool_calls }));
        for (const c of first.tool_calls) ask.push(new ToolMessage({ tool_call_id: c.id, content: `${c.name} is fine` }));
        const second = await model.invoke(ask);
        return { calls: first.tool_calls.map(({ name: n, args }) => ({ name: n, args })), text: second.content };
    },
    async schema(name) {
        const r = await this.model(name).withStructuredOutput(SCHEMA, { name: 'thing', method: 'jsonSchema', strict: true }).invoke('what is it');
        return JSON.stringify(r);
    },
    async fails(name, status) {
        return this.model(name).invoke(`fail ${status}`).catch((e) => e);
    },
    async leaves(name) {
        const abort = new AbortController();
        const stream = await this.model(name).stream('slow', { signal: abort.signal });
        for await (const _ of stream) break;
        abort.abort();
    },
};

const base = () => ({ baseURL: gateway.baseURL, apiKey: 'k' });
const CLIENTS = {
    'openai, chat': chat,
    'openai, responses': responses,
    '@anthropic-ai/sdk': messages,
    'ai, @ai-sdk/openai chat': vercel((name) => createOpenAI(base()).chat(name)),
    'ai, @ai-sdk/openai responses': vercel((name) => createOpenAI(base()).responses(name)),
    'ai, @ai-sdk/openai responses, not stored': vercel((name) => createOpenAI(base()).responses(name), { providerOptions: { openai: { store: false } } }),
    'ai, @ai-sdk/openai-compatible': vercel((name) => createOpenAICompatible({ name: 'fairlead', supportsStructuredOutputs: true, includeUsage: true, ...base() })(name)),
    // It leaves cached tokens out of its sum, and asks for JSON by a forced tool, of which Ollama knows nothing.
    'ai, @ai-sdk/anthropic': { ...vercel((name) => createAnthropic(base())(name)), usage: [8, 7, 15], forces: true },
    '@langchain/openai': langchain,
};

// Which statuses a client sees as they are.
const STATUSES = { openai: [400, 429, 503], anthropic: [400, 429, 529], gemini: [400, 429, 503], bedrock: [400, 429, 503], ollama: [400, 500] };

for (const [client, c] of Object.entries(CLIENTS)) {
    for (const name of NAMES) {
        describe(`${client} before ${name}`, () => {
            for (const stream of [false, true]) {
                const way = stream ? 'streamed' : 'whole';
                test(`text, ${way}`, LIMIT, async () => {
                    const r = await c.text(name, 'say hello "you" \\ 😀 there', { stream });
                    const seen = sound(name);
                    assert.equal(r.text, 'hello "you" \\ 😀 there');
                    assert.deepEqual(r.usage, c.usage && name !== 'ollama' ? c.usage : [11, 7, 18]);
                    assert.equal(seen.system, SYSTEM);
                    assert.equal(seen.stream, stream);
                });
                test(`one tool call and its result, ${way}`, LIMIT, async () => {
                    const r = await c.calls(name, 'call weather', { stream });
                    assert.deepEqual(sound(name).tools, TOOLS);
                    assert.deepEqual(r.calls, [{ name: 'weather', args: wantedArguments('weather', 0) }]);
                    assert.equal(r.text, 'results: weather is fine');
                });
                test(`two tool calls at once, ${way}`, LIMIT, async () => {
                    const r = await c.calls(name, 'call weather time', { stream });
                    sound(name);
                    assert.deepEqual(r.calls, TOOLS.map((t, i) => ({ name: t, args: wantedArguments(t, i) })));
                    assert.equal(r.text, 'results: weather is fine | time is fine');
                });
                test(`an image, ${way}`, LIMIT, async () => {
                    const r = await c.text(name, 'look at this', { stream, image: true });
                    sound(name);
                    assert.equal(r.text, `saw image/png, ${BYTES} bytes`);
                });
                test(`reasoning, ${way}`, LIMIT, async () => {
                    const r = await c.text(name, 'think so it is', { stream, effort: 'low' });
                    sound(name);
                    assert.equal(r.text, 'so it is');
                    if (r.thought !== undefined && r.thought !== '') assert.equal(r.thought, 'hm, let me see');
                });
            }
            if (c.schema && !(c.forces && name === 'ollama')) {
                test('a JSON schema', LIMIT, async () => {
                    const text = await c.schema(name);
                    const seen = sound(name);
                    assert.deepEqual(JSON.parse(text), { answer: 42 });
                    assert.ok(seen.schema || seen.forced, 'the provider was not told the schema');
                });
            }
            test('errors in its own dialect', LIMIT, async () => {
                for (const status of STATUSES[name]) {
                    const error = await c.fails(name, status);
                    assert.ok(error instanceof Error);
                    assert.equal(error.status, status, String(error));
                    assert.match(error.message, new RegExp(`refused with ${status}`));
                }
                upstreams[name].faults.splice(0);
            });
            test('a client that goes away', LIMIT, () => gone(name, () => c.leaves(name)));
        });
    }
}
