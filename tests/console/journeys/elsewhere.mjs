// A stranger needs an X-ray, which we do not have: placed in one page and a few keys, called back once, closed.
import { accessible, ask, assert, end, given, press, signedIn, type } from './lib.mjs';
import { words } from './words.mjs';

const language = given.language, w = words[language];
const page = await signedIn({ label: 'Anna', roles: ['administrator'], branches: ['north'] }, { language });
await press(page, page.getByRole('link', { name: w.elsewhere }));
const need = page.getByRole('combobox', { name: w.need });
await need.waitFor();
await type(page, need, w.xRay);
await page.keyboard.press('Enter');
await page.getByRole('radio', { name: new RegExp(given.nearest) }).waitFor();
assert.ok(await page.getByRole('radio', { name: new RegExp(given.nearest) }).isChecked(), 'the nearest that is open is chosen');
await accessible(page, 'help elsewhere');
await type(page, page.getByRole('textbox', { name: w.name, exact: true }), given.stranger);
await type(page, page.getByRole('textbox', { name: w.callBack }), '+7 921 555-09-09');
await press(page, page.getByRole('button', { name: w.arranged }));
const item = page.getByRole('listitem').filter({ hasText: given.stranger });
await item.getByText(given.nearest).waitFor();
await press(page, item.getByRole('button', { name: w.takeCall }));
// Their own page now: the call is ours.
await press(page, page.getByRole('button', { name: w.reached }));
await press(page, page.getByRole('button', { name: w.close }));
await page.getByRole('button', { name: w.close }).waitFor({ state: 'detached' });
const happened = await ask({ do: 'history', of: given.stranger });
const needed = ['patient.registered', 'referral.opened', 'referral.arranged', 'contact.permitted', 'contact.made', 'referral.closed'];
assert.deepEqual(happened.filter((kind) => needed.includes(kind)), needed, happened.join());
await end();
