// A clinician has left, and nobody knows an id: the name and the new clinic are enough, and whoever asks is told.
import { accessible, assert, end, given, press, signedIn, type } from './lib.mjs';
import { words } from './words.mjs';

const w = words[given.language];
const page = await signedIn({ label: 'Boss', roles: ['network_manager'] }, { language: given.language });
await page.goto(new URL('/elsewhere', page.url()).href);
await press(page, page.getByText(w.left, { exact: true }));
const form = page.getByRole('group').filter({ hasText: w.left });
await type(page, form.getByLabel(w.leftClinic), 'City hospital 2');
await press(page, form.getByRole('button', { name: w.save }));
await page.getByRole('alert').getByText(w.name).waitFor();
await accessible(page, 'what is wrong with the form');
await type(page, page.getByLabel(w.leftName), 'Dr Somova');
await press(page, page.getByRole('button', { name: w.save }));
const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'Dr Somova' }) });
await row.getByRole('cell', { name: 'City hospital 2' }).waitFor();
assert.equal(await row.count(), 1);
await end();
