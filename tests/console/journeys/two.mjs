// Two administrators, one entry: the first has it, the second sees who does, without asking and without a reload.
import { end, entry, given, signedIn } from './lib.mjs';
import { words } from './words.mjs';

const language = given.language, w = words[language];
const anna = await signedIn({ label: 'Anna', roles: ['administrator'], branches: ['north'] }, { language });
const boris = await signedIn({ label: 'Boris', roles: ['administrator'], branches: ['north'] }, { language });
const region = (page, title) => page.getByRole('region', { name: title });
const of = (page, title) => region(page, title).getByRole('listitem').filter({ hasText: given.called }).first();
await of(anna, w.due).waitFor();
await of(boris, w.due).waitFor();

// Both at once: whoever is first has it.
await entry(anna, given.called);
await entry(boris, given.called);
await Promise.all([anna.keyboard.press('KeyT'), boris.keyboard.press('KeyT')]);
await Promise.any([of(anna, w.mine).waitFor(), of(boris, w.mine).waitFor()]);
const [first, second, name] = await of(anna, w.mine).isVisible() ? [anna, boris, 'Anna'] : [boris, anna, 'Boris'];
await of(second, w.blocked).getByText(`${name}: ${w.has}`).waitFor();
if (await of(second, w.mine).isVisible()) throw new Error('both have it');

// What the first records, the second sees.
await entry(first, given.called);
await first.keyboard.press('Digit1');
await region(second, w.done).getByRole('row').filter({ hasText: given.called }).waitFor();
await end();
