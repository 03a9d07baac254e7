// A session ends while its page is open: whoever signs in again is back where they were.
import { accessible, ask, end, given, press, signedIn } from './lib.mjs';
import { words } from './words.mjs';

const language = given.language, w = words[language];
const who = { label: 'Anna', roles: ['administrator'], branches: ['north'] };
const page = await signedIn(who, { language });
await page.keyboard.press('Slash');
await page.keyboard.type(given.called.slice(0, 3));
await page.keyboard.press('Enter');
const hit = page.getByRole('link', { name: new RegExp(given.called) });
await hit.waitFor();
await accessible(page, 'the search');
await ask({ do: 'clock', to: given.later });
await press(page, hit);
await page.getByRole('heading', { name: w.signIn }).waitFor();
const { link } = await ask({ do: 'link', ...who });
await page.getByRole('textbox').last().focus();
await page.keyboard.type(link);
await page.keyboard.press('Enter');
await page.getByRole('heading', { name: given.called, level: 1 }).waitFor();
await end();
