// SPDX-License-Identifier: Apache-2.0
// fairlead models and fairlead catalog: what is listed, what an update changes, what is refused.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { run, temporaryFolder } from './lib/fairlead.mjs';

const LIMIT = { timeout: 60000 };

describe('catalogue', () => {
    let folder;
    before(() => { folder = temporaryFolder(); });
    after(() => fs.rmSync(folder, { recursive: true }));
    const home = () => ({ HOME: folder, XDG_CONFIG_HOME: path.join(folder, 'config'), FAIRLEAD_CATALOG: '' });
    const fairlead = (args, env = {}) => run(args, { cwd: folder, env: { ...home(), ...env } });
    const write = (name, text) => {
        fs.writeFileSync(path.join(folder, name), text);
        return name;
    };

    test('models lists what the origin names, with the catalogue\'s date', LIMIT, async () => {
        const done = await fairlead(['models', 'gpt-4', '--provider', 'openai']);
        assert.equal(done.code, 0, done.stderr);
        const lines = done.stdout.trimEnd().split('\n');
        assert.match(lines[0], /^PROVIDER +MODEL +INPUT +CACHED +OUTPUT CONTEXT TIER +STATUS, ABILITIES$/);
        assert.ok(lines.some((line) => /^openai +gpt-4 +30 +- +60 +8K medium tools$/.test(line)), done.stdout);
        assert.match(lines.at(-1), /^\d+ models; USD per million tokens; catalogue of \d{4}-\d\d-\d\d$/);
        const names = lines.slice(1, -1).map((line) => line.split(/ +/).slice(0, 2).join(' '));
        assert.deepEqual(names, [...names].sort());
    });

    test('models --json is JSON, and its filters hold', LIMIT, async () => {
        const all = JSON.parse((await fairlead(['models', '--json'])).stdout);
        assert.match(all.catalog, /^\d{4}-\d\d-\d\d$/);
        assert.ok(all.models.length >= 1000);
        assert.ok(new Set(all.models.map((m) => m.provider)).size >= 40);
        assert.ok(all.models.every((m) => m.status !== 'retired'));
        const retired = JSON.parse((await fairlead(['models', '--json', '--status', 'retired'])).stdout).models;
        assert.ok(retired.some((m) => m.provider === 'anthropic' && m.model === 'claude-3-sonnet' && m.successor === 'claude-sonnet-5'));
        const some = JSON.parse((await fairlead(['models', '--json', '--tier', 'low', '--capability', 'vision', '--capability', 'tools',
            '--max-price', '0.4', '--provider', 'gemini'])).stdout).models;
        assert.ok(some.length > 0);
        for (const m of some) {
            assert.equal(m.tier, 'low');
            assert.equal(m.provider, 'gemini');
            assert.ok(m.capabilities.includes('vision') && m.capabilities.includes('tools'));
            assert.ok((3 * m.prices.in + m.prices.out) / 4 <= 0.4);
        }
        assert.equal(JSON.parse((await fairlead(['models', '--json', 'gpt-4o-2024-##-##'])).stdout).models
            .filter((m) => m.provider === 'openai').length, 1);
    });

    test('mistakes exit 2 with nothing on standard output', LIMIT, async () => {
        for (const [args, message] of [
            [['models', '--tier', 'best'], /low, medium or high/],
            [['models', '--capability', 'flying'], /flying/],
            [['models', '--max-price', 'x'], /USD per million/],
            [['models', '--provider', 'opnai'], /did you mean 'openai'/],
            [['models', '--provider'], /requires a value/],
            [['models', 'a', 'b'], /unexpected 'b'/],
            [['catalog', 'udpate'], /unexpected 'udpate'/],
            [['catalog', 'update'], /needs a file/],
        ]) {
            const done = await fairlead(args);
            assert.equal(done.code, 2, `${args}: ${done.stderr}`);
            assert.match(done.stderr, message);
            assert.equal(done.stdout, '');
        }
    });

    test('an update prints what changed, is written whole, and is in use afterwards', LIMIT, async () => {
        const file = write('new.txt', 'catalog 1 2030-01-01\nprovider openai\nmodel gpt-4o in=2 out=8\nmodel gpt-99 in=1 out=2\n' +
            'model gpt-4-turbo status=retired successor=gpt-99 in=10 out=30\n');
        const own = path.join(folder, 'config', 'fairlead', 'catalog.txt');
        const dry = await fairlead(['catalog', 'update', file, '--dry-run']);
        assert.equal(dry.code, 0, dry.stderr);
        assert.ok(!fs.existsSync(own));
        const done = await fairlead(['catalog', 'update', file]);
        assert.equal(done.code, 0, done.stderr);
        assert.equal(done.stdout, dry.stdout);
        assert.equal(done.stdout, 'added       openai/gpt-99  1 / 2\n' +
            'price down  openai/gpt-4o  2.5 / 10 -> 2 / 8\n' +
            'retired     openai/gpt-4-turbo  successor gpt-99\n');
        assert.match(done.stderr, /^3 changes from fairlead catalogue, written to .*catalog\.txt\n$/);
        assert.deepEqual(fs.readdirSync(path.dirname(own)), ['catalog.txt']);
        const listed = JSON.parse((await fairlead(['models', '--json', '--provider', 'openai', 'gpt-4o'])).stdout).models;
        const model = listed.find((m) => m.model === 'gpt-4o');
        assert.deepEqual(model.prices, { in: 2, out: 8 });
        assert.equal(model.context, 128000); /* what the update does not say stays */
        assert.match((await fairlead(['catalog'])).stdout, /^built in .*\nin use {4}2030-01-01 .*catalog\.txt\n$/);
        const again = await fairlead(['catalog', 'update', file]);
        assert.equal(again.stdout, '');
        assert.equal(again.stderr, '0 changes; nothing written\n');
        write('f.yaml', 'providers:\n  openai: {models: [gpt-4-turbo]}\n');
        const checked = await fairlead(['check', 'f.yaml'], { OPENAI_API_KEY: 'x' });
        assert.equal(checked.code, 0);
        assert.match(checked.stderr, /^f\.yaml:2:21: warning: model 'gpt-4-turbo' was retired by openai: .*its successor is 'gpt-99'$/m);
    });

    test('a broken file is refused with its place, and nothing is written', LIMIT, async () => {
        for (const [name, text, place] of [
            ['a.txt', 'provider openai\nmodel x in=cheap\n', /^a\.txt:2:12: error: not a price: 'cheap'$/m],
            ['a.json', '[{"id":"openai",\n"models":[{"id":"x","prices":{"input_mtok":-1}}]}]', /^a\.json:2:44: error: not a price: '-1'$/m],
            ['b.json', '[{"id":"openai",', /^b\.json:1:17: error: /m],
            ['a.csv', 'provider,model,input_usd_per_m,output_usd_per_m\nopenai,x,1,"2\n', /^a\.csv:2:1: error: a quote without its end$/m],
            ['empty.txt', '', /^empty\.txt: error: no model in it$/m],
        ]) {
            write(name, text);
            const done = await fairlead(['catalog', 'update', name, '--output', 'out.txt']);
            assert.equal(done.code, 3, done.stderr);
            assert.match(done.stderr, place);
            assert.equal(done.stdout, '');
            assert.ok(!fs.existsSync(path.join(folder, 'out.txt')));
        }
        const gone = await fairlead(['catalog', 'update', 'none.txt']);
        assert.equal(gone.code, 1);
        assert.match(gone.stderr, /^none\.txt: error: /);
    });

    test('serve and check refuse a broken catalogue file', LIMIT, async () => {
        write('broken.txt', 'catalog 1 2026-01-01\nmodel x\n');
        write('f.yaml', 'providers:\n  openai: {models: [gpt-4o]}\n');
        for (const args of [['check', 'f.yaml'], ['serve', '-c', 'f.yaml'], ['models'], ['catalog']]) {
            const done = await fairlead(args, { FAIRLEAD_CATALOG: 'broken.txt', OPENAI_API_KEY: 'x' });
            assert.equal(done.code, 3, `${args}: ${done.stderr}`);
            assert.match(done.stderr, /^broken\.txt:2:1: error: a model needs a provider before it$/m);
        }
    });
});
