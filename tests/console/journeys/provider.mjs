// Signing in with the identity provider, which is on another site, and back: the desk opens, and stays open.
import { accessible, assert, end, given, open, press } from './lib.mjs';
import { words } from './words.mjs';

const language = given.language, w = words[language];
const page = await open({ language, also: 'localhost' });
await page.goto(given.url);
await page.getByRole('heading', { name: w.signIn }).waitFor();
await accessible(page, 'the way in');
await press(page, page.getByRole('button', { name: w.provider }));
// The provider's own pages, in its words.
await page.waitForURL((url) => url.hostname === 'localhost');
await page.locator('[name=login]').fill(given.login);
await page.locator('[name=password]').fill('x');
await page.locator('[type=submit]').click();
await page.waitForURL((url) => url.hostname === 'localhost' && url.pathname.includes('/interaction/'));
await page.locator('form [type=submit]').click();
await page.waitForURL(`${given.url}/desk/north`);
await page.getByText(given.name).waitFor();
await page.reload();
assert.equal(new URL(page.url()).pathname, '/desk/north');
await end();
