// The morning of an administrator, by keyboard alone: a call from the worklist, one that nobody answers, a call announced at discharge, somebody
// who says "don't call me".
import { accessible, ask, assert, end, entry, given, press, signedIn, tabTo, type } from './lib.mjs';
import { words } from './words.mjs';

const language = given.language, w = words[language];
const page = await signedIn({ label: 'Anna', roles: ['administrator'], branches: ['north'] }, { language });
const region = (title) => page.getByRole('region', { name: title });
await region(w.due).waitFor();
await accessible(page, 'the desk');

// A call from the worklist: one key takes the permit, one records the outcome.
await entry(page, given.called);
await page.keyboard.press('KeyT');
const mine = region(w.mine);
await mine.getByRole('link', { name: given.called, exact: true }).waitFor();
await entry(page, given.called);
await type(page, mine.getByRole('textbox', { name: w.note }), 'comes on Friday');
await page.keyboard.press('Escape');
await entry(page, given.called);
await page.keyboard.press('Digit1');
await region(w.done).getByRole('row').filter({ hasText: given.called }).filter({ hasText: w.reached }).waitFor();
await mine.waitFor({ state: 'detached' });

// Nobody answers: it is written down.
await entry(page, given.silent);
await page.keyboard.press('KeyT');
await region(w.mine).getByRole('link', { name: given.silent, exact: true }).waitFor();
await entry(page, given.silent);
await page.keyboard.press('Digit2');
await region(w.done).getByRole('row').filter({ hasText: given.silent }).filter({ hasText: w.noAnswer }).waitFor();

// Discharged after surgery: told before they leave.
await region(w.announce).getByRole('link', { name: given.operated, exact: true }).waitFor();
await entry(page, given.operated);
await page.keyboard.press('KeyT');
await region(w.announce).getByRole('link', { name: given.operated, exact: true }).waitFor({ state: 'detached' });

// "Don't call me": found by three letters; where there is one only, their page opens.
await page.keyboard.press('Slash');
await page.keyboard.type(given.tired.slice(0, 3));
await page.keyboard.press('Enter');
await page.getByRole('heading', { name: given.tired, level: 1 }).waitFor();
await accessible(page, 'a patient');
await press(page, page.getByRole('button', { name: w.leaveAlone }));
await page.getByText(w.leftAlone).waitFor();

// Three digits of a number that rings find them too.
await page.keyboard.press('Slash');
await page.keyboard.type(given.digits);
await page.keyboard.press('Enter');
await page.getByRole('heading', { name: given.tired, level: 1 }).waitFor();
await tabTo(page, page.getByRole('button', { name: w.signOut }));
await page.keyboard.press('Enter');
await page.getByRole('heading', { name: w.signIn }).waitFor();
assert.equal((await ask({ do: 'wish', of: given.tired })).reach[0], 'patient_initiated');
await end();
