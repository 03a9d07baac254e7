// The server goes away while somebody types, and comes back: what was typed is still there, nothing is lost, nothing is done twice.
import { ask, assert, end, entry, given, press, signedIn, type } from './lib.mjs';
import { words } from './words.mjs';

const language = given.language, w = words[language];
const page = await signedIn({ label: 'Anna', roles: ['administrator'], branches: ['north'] }, { language });
const region = (title) => page.getByRole('region', { name: title });
await region(w.due).getByRole('link', { name: given.called, exact: true }).waitFor();
await entry(page, given.called);
await page.keyboard.press('KeyT');
await region(w.mine).getByRole('link', { name: given.called, exact: true }).waitFor();
const note = region(w.mine).getByRole('textbox', { name: w.note });
await type(page, note, 'will bring the');
await ask({ do: 'away' });
await page.getByRole('status').filter({ hasText: w.away }).waitFor();
await page.keyboard.type(' papers');
// Sent into the dark.
await press(page, region(w.mine).getByRole('button', { name: w.reached }));
await page.getByRole('status').filter({ hasText: w.away }).waitFor();
assert.equal(await note.inputValue(), 'will bring the papers');
await ask({ do: 'back' });
await page.getByRole('status').filter({ hasText: w.back }).waitFor();
assert.equal(await note.inputValue(), 'will bring the papers');
await press(page, region(w.mine).getByRole('button', { name: w.reached }));
await region(w.done).getByRole('row').filter({ hasText: given.called }).waitFor();
assert.deepEqual(await ask({ do: 'contacts', of: given.called }), ['will bring the papers']);
await end();
