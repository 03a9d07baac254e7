// Every page for every role: shown to whom it is for, and a clear word to whom it is not. Those that are shown fit a telephone, print without
// what is only for a screen, and axe finds nothing serious in light or dark.
import { readFileSync } from 'node:fs';
import { accessible, assert, end, fits, given, signedIn } from './lib.mjs';
import { words } from './words.mjs';

for (const [at, [role, pages]] of Object.entries(given.roles).entries()) {
  const language = at % 2 === given.turn ? 'ru' : 'en', w = words[language];
  const page = await signedIn({ label: role, roles: [role], branches: given.limited[role] }, { language });
  for (const [path, allowed] of Object.entries(pages)) {
    const answer = await page.goto(new URL(path, page.url()).href);
    assert.equal(answer.status(), allowed ? 200 : 403, `${role} at ${path}`);
    if (!allowed) {
      await page.getByRole('heading', { name: w.forbidden }).waitFor();
      assert.ok(await page.getByRole('navigation').first().isVisible(), `${path}: ${role} can go on from there`);
      continue;
    }
    assert.equal(await page.locator('html').getAttribute('lang'), language);
    for (const [colours, width] of [['light', 1280], ['dark', 360]]) {
      await page.emulateMedia({ colorScheme: colours });
      await page.setViewportSize({ width, height: 800 });
      await accessible(page, `${path} for ${role}, ${colours}, ${width} px`);
      await fits(page, `${path} for ${role}, ${width} px`);
    }
    await page.emulateMedia({ media: 'print' });
    assert.ok(!await page.getByRole('navigation').first().isVisible(), `${path}: the way around is not printed`);
    await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
    await page.setViewportSize({ width: 1280, height: 800 });
    if (!path.startsWith('/regulator/cases/')) continue;
    // The command on the page needs this file.
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'network.keys' }).click()]);
    assert.equal(download.suggestedFilename(), 'network.keys');
    const keys = await fetch(new URL('/keys', page.url())).then((answer) => answer.text());
    assert.equal(readFileSync(await download.path(), 'utf8'), keys);
  }
  assert.equal((await page.goto(new URL('/no-such-page', page.url()).href)).status(), 404);
  await page.getByRole('heading', { name: w.noPage }).waitFor();
}
await end();
